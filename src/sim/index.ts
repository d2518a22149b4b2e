// The simulated network, for programs: `weft/sim`.
export type { AppWorker, ConnectOptions, ListenOptions } from "../app/app-worker.js";
export type { App } from "../app/app.js";
export type { AppCallbacks } from "../app/callbacks.js";
export type { Listener } from "../app/listener.js";
export type { LocalApp } from "../app/local-app.js";
export type { LocalListener } from "../app/local-listener.js";
export type { LocalSession } from "../app/local-session.js";
export type { Answer, Session, SessionAddress, SessionStatistics } from "../app/session.js";
export { DecodedPacket, type DecodedTcp, type DecodedTcpOptions, type DecodedUdp } from "./decoded-packet.js";
export { SimHost } from "./host.js";
export { BULK_HOST, type HostSize, type SimHostOptions, SMALL_HOST } from "./host-options.js";
export { type Direction, type FrameEvent, type LinkEnd, SimLink } from "./link.js";
export { DROP_REASONS, type DirectionCounters, type DropReason } from "./link-direction.js";
export type { BurstLoss, LinkOptions } from "./link-options.js";
export { createSimulation, type RunOptions, Simulation, type SimulationOptions } from "./simulation.js";
export { stripTcpOptions } from "./strip-options.js";
export { SimSwitch } from "./switch.js";
