// How fast does one TCP flow go out over a TAP, beside kernel to kernel over a veth pair?
import { tapBed } from "./support/beds.js";
import { compareFlow } from "./support/tcp-flow.js";

await compareFlow("tap-tcp-tx", "tx", tapBed);
