// How fast does the stack receive one TCP stream over a TAP with superframes, beside the kernel over a veth?
import { benchStream } from "./support/stream.js";

await benchStream("tap-tcp-rx", "tap", "rx");
