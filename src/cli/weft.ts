#!/usr/bin/env node
import { main } from "./program/main.js";

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // Whoever read our output has enough.
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});
process.exitCode = await main(process.argv.slice(2));
