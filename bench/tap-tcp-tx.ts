// How fast does the stack send one TCP stream over a TAP with superframes, beside the kernel over a veth?
import { benchStream } from "./support/stream.js";

await benchStream("tap-tcp-tx", "tap", "tx");
