import type { FlowHookHandle, InboundFlow } from "../../../app/flow-hook.js";
import type { FlowDecision } from "../../../session/flow-record.js";
import type { AppStack } from "../app-host.js";

/** Decides on the flows of one application. */
export type Decide = (flow: InboundFlow) => FlowDecision | "later";

const gates = new WeakMap<AppStack, FlowGate>();

/** The flow hook of a namespace, of which there is one, shared by the proxies in it: each decides on the flows it would take. */
export class FlowGate {
  readonly #stack: AppStack;
  readonly #deciders = new Map<string, Decide>();
  #hook: FlowHookHandle | undefined;

  private constructor(stack: AppStack) {
    this.#stack = stack;
  }

  /** The gate of a namespace. */
  static of(stack: AppStack): FlowGate {
    let gate = gates.get(stack);
    if (gate === undefined) gates.set(stack, (gate = new FlowGate(stack)));
    return gate;
  }

  /** Asks `decide` about the flows of an application, by its name. Rejects as onFlow does: OWNER when there is a hook already. */
  async add(application: string, decide: Decide): Promise<void> {
    this.#hook ??= await this.#stack.onFlow((flow) => {
      const found = flow.application === undefined ? undefined : this.#deciders.get(flow.application);
      return found === undefined ? "accept" : found(flow);
    });
    this.#deciders.set(application, decide);
  }

  /** Decides on a flow for which `later` was said. What has been decided already stays so. */
  answer(token: number, decision: FlowDecision): void {
    void this.#hook?.answer(token, decision);
  }

  /** Asks about an application no more; with the last one the hook goes. */
  async remove(application: string): Promise<void> {
    if (!this.#deciders.delete(application) || this.#deciders.size > 0) return;
    const hook = this.#hook;
    this.#hook = undefined;
    await hook?.close();
  }
}
