import pc from "picocolors";

/** Colours for a terminal; plain text elsewhere. Left to itself picocolors colours whatever it prints under CI, too. */
export const colors = pc.createColors(process.stdout.isTTY === true && pc.isColorSupported);
