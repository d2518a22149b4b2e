// How fast does the stack receive one TCP stream through a packet socket on a veth, beside the kernel over a veth?
import { benchStream } from "./support/stream.js";

await benchStream("afp-tcp-rx", "af-packet", "rx");
