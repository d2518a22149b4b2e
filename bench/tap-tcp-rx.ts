// How fast does one TCP flow come in over a TAP, beside kernel to kernel over a veth pair?
import { tapBed } from "./support/beds.js";
import { compareFlow } from "./support/tcp-flow.js";

await compareFlow("tap-tcp-rx", "rx", tapBed);
