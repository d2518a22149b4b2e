// How fast does one TCP flow go out over an af-packet interface on a veth pair, beside kernel to kernel over a veth pair?
import { afpBed } from "./support/beds.js";
import { compareFlow } from "./support/tcp-flow.js";

await compareFlow("afp-tcp-tx", "tx", afpBed);
