import { createStack, type LiveStack, type StackConfig } from "../../index.js";
import { Cli } from "../cli.js";
import { defaultSocketPath } from "../socket-path.js";
import { CliSocket } from "../socket-server.js";
import { EXIT_OK } from "./failure.js";
import { argumentError, runConfig, type RunOptions } from "./run-options.js";
import { StopSignal } from "./signals.js";

/** A stack with its CLI on a socket. */
export interface ServedStack {
  readonly stack: LiveStack;
  readonly cli: Cli;
  /** Ends commands, the socket and the stack, in this order. */
  close(): Promise<void>;
}

/** Makes a stack and lets `socket` answer for it; whatever fails, nothing is left but the socket. */
export async function serveStack(config: StackConfig, socket: CliSocket | undefined): Promise<ServedStack> {
  const stack = await createStack(config);
  const cli = new Cli(stack);
  if (socket !== undefined) socket.answer = (line, signal) => cli.run(line, signal);
  const close = async (): Promise<void> => {
    cli.close();
    await socket?.close();
    await stack.close();
  };
  return { stack, cli, close };
}

/** `weft run`: a stack until a signal comes. */
export async function run(options: RunOptions): Promise<number> {
  const stop = new StopSignal();
  let socket: CliSocket | undefined;
  let served: ServedStack | undefined;
  try {
    const config = await runConfig(options);
    // Before anything is made: a socket in use means that this stack runs already.
    const { socket: path = defaultSocketPath(), ...permissions } = config.cli ?? {};
    socket = await CliSocket.open(path, permissions);
    served = await serveStack({ attach: {}, ...config }, socket);
    if (!stop.isStopped) process.stdout.write("weft: ready\n");
    await stop.stopped;
    return EXIT_OK;
  } catch (error) {
    throw argumentError(error, options);
  } finally {
    if (served === undefined) await socket?.close();
    else await served.close();
    stop.release();
  }
}
