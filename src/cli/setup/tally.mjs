// The last line of .ci/run: `N passed, N failed`. Arguments: vitest's JSON report, exit codes of npm test and check.
import { readFileSync } from "node:fs";

const [file = "", testCode = "1", checkCode = "1"] = process.argv.slice(2);

/** @typedef {{ status: string, assertionResults: readonly { status: string, fullName: string }[], name: string }} File */

/** @returns {readonly File[]} */
function readReport() {
  try {
    /** @type {{ testResults: readonly File[] }} */
    const report = JSON.parse(readFileSync(file, "utf8"));
    return report.testResults;
  } catch {
    return [];
  }
}

let passed = 0;
let failed = 0;
for (const { status, assertionResults, name } of readReport()) {
  // A file that fails as a whole (an import, a hook) has no failed test of its own.
  if (status === "failed" && !assertionResults.some((result) => result.status === "failed")) failed++;
  for (const result of assertionResults) {
    if (result.status === "passed") passed++;
    else failed++;
    if (result.status !== "passed" && result.status !== "failed") {
      console.log(`weft: ${name}: ${result.status}, and nothing may be skipped here: ${result.fullName}`);
    }
  }
}
// What went wrong outside a test (set-up, an unhandled error, no test at all) is one failure.
if (failed === 0 && (testCode !== "0" || passed === 0)) failed++;
if (checkCode === "0") passed++;
else failed++;
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
