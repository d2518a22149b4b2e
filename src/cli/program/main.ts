import { Command, CommanderError } from "commander";
import { packageVersion } from "../package-version.js";
import { client, type ClientOptions } from "./client.js";
import { EXIT_OK, reportFailure, UsageError } from "./failure.js";
import type { RunOptions } from "./run-options.js";
import type { SimCommandOptions } from "./sim.js";

/** Commander's message as the argument at fault and what is wrong with it. */
function usageError({ message, code }: CommanderError, command: string): UsageError {
  const text = message.replace(/^error: /, "").split("\n")[0];
  const quoted = /'([^']+)'/.exec(text)?.[1];
  const option = quoted === undefined ? command : (quoted.match(/--[\w-]+/)?.[0] ?? quoted);
  switch (code) {
    case "commander.unknownOption":
      return new UsageError(option, "unknown option");
    case "commander.unknownCommand":
      return new UsageError(option, "unknown command (weft --help lists them)");
    case "commander.optionMissingArgument":
      return new UsageError(option, "argument is missing");
    case "commander.missingArgument":
      return new UsageError(command, `${option} is missing`);
    case "commander.help":
      return new UsageError(command, "command is missing (weft --help lists them)");
    default:
      return new UsageError(command, text);
  }
}

/** Runs the program; returns its exit code. Parts are loaded when they are needed, so that `weft cli` starts at once. */
export async function main(args: readonly string[]): Promise<number> {
  let code = EXIT_OK;
  let running = "weft";
  const program = new Command("weft")
    .description("A userspace network host stack")
    .version(packageVersion())
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
    .enablePositionalOptions()
    .showHelpAfterError(false);
  const command = (name: string): Command =>
    program
      .command(name)
      .exitOverride()
      .configureOutput({ writeErr: () => {} })
      .hook("preAction", () => {
        running = name.split(" ")[0];
      });

  command("run")
    .description("run a stack until a signal comes")
    .option("-c, --config <file>", "configuration, YAML or JSON")
    .option("--tap <name>", "instead: a TAP device of this name")
    .option("--netns <name>", "network namespace of the TAP's kernel end; made when missing")
    .option("--address <cidr...>", "addresses of the stack")
    .option("--host-address <cidr...>", "addresses of the kernel end")
    .option("--mtu <bytes>", "largest IP packet")
    .option("--app <kind...>", "demo applications, KIND or KIND=URI,URI: echo, discard, chargen, http, iperf3, check")
    .option("--cli-socket <path>", "socket of the debug CLI; default below $XDG_RUNTIME_DIR or /run")
    .action(async (options: RunOptions) => {
      code = await (await import("./run.js")).run(options);
    });
  command("cli [command...]")
    .description("send a command to a running stack; without one, a prompt")
    .option("--socket <path>", "socket of the stack's debug CLI")
    .passThroughOptions()
    .action(async (words: string[], options: ClientOptions) => {
      code = await client(words, options);
    });
  command("replay <capture>")
    .description("feed a pcap or pcapng file to a stack on a virtual clock")
    .option("-c, --config <file>", "configuration of the stack; default: the host that the capture's frames go to")
    .option("--out <file>", "write the frames that the stack sent, as pcap")
    .option("--json", "print the counters as JSON")
    .action(async (capture: string, options: { config?: string; out?: string; json?: boolean }) => {
      code = await (await import("./replay.js")).replay(capture, options);
    });
  command("sim [scenario]")
    .description("run a scenario over simulated networks, one for each seed; without one, list them")
    .option("--seed <n>", "seed of the first run; default 1")
    .option("--runs <n>", "runs, each with the next seed; default 1")
    .option("--out <dir>", "leave capture and link script of each failing seed there")
    .option("--shrink", "make failing cases smaller first")
    .option("--case <file>", "instead of a scenario: the link script of an earlier failure")
    .option("--table", "print the tables of goodput, fairness and queues; takes minutes")
    .option("--json", "print results as JSON, one line each")
    .action(async (scenario: string | undefined, options: SimCommandOptions) => {
      code = await (await import("./sim.js")).sim(scenario, options);
    });
  command("demo")
    .description("run the demo: a stack with all demo applications behind a TAP")
    .action(async () => {
      code = await (await import("./demo.js")).demo();
    });

  try {
    await program.parseAsync(args, { from: "user" });
    return code;
  } catch (error) {
    if (!(error instanceof CommanderError)) return reportFailure(error, running);
    if (error.code === "commander.helpDisplayed" || error.code === "commander.version") return EXIT_OK;
    const subject = program.commands.find((each) => each.name() === args[0])?.name() ?? "weft";
    return reportFailure(usageError(error, subject), subject);
  }
}
