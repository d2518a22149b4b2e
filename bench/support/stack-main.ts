// A stack as a process of its own: its configuration as JSON is the argument; says `ready`; SIGTERM ends it.
import { createStack } from "../../src/index.js";

const stack = await createStack(JSON.parse(process.argv[2] ?? "{}"));
let isClosing = false;
const close = (): void => {
  if (isClosing) return;
  isClosing = true;
  void stack.close().then(() => process.exit(0));
};
process.on("SIGTERM", close);
process.on("SIGINT", close);
console.log("ready");
