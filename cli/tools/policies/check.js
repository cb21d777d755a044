// Judges the policies of the files that are named, and those that standard input holds by name. Exits 1
// when there is a fault.
import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { judge } from "./judge.js";

/** What is right although the reference knows better. Each must still be found. */
const ACCEPTED = [
  // The local cloud asks for GetLogEvents on the group, AWS on its streams (ARCHITECTURE.md).
  /^ReadLogs: no action acts on \S+:log-group:[^:]+$/,
];

const files = process.argv
  .slice(2)
  .map((file) => [file.replace(/.*\//, ""), JSON.parse(readFileSync(file, "utf8"))]);
const policies = [...files, ...Object.entries(JSON.parse(await text(process.stdin)))];
const unused = new Set(ACCEPTED);
let [faults, statements] = [0, 0];
const report = (fault) => {
  console.error(`error: ${fault}`);
  faults += 1;
};
for (const [name, policy] of policies) {
  statements += policy.Statement.length;
  for (const fault of await judge(policy)) {
    const accepted = ACCEPTED.find((pattern) => pattern.test(fault));
    if (accepted) unused.delete(accepted);
    else report(`${name}: ${fault}`);
  }
}
for (const pattern of unused)
  report(
    `nothing says ${pattern} any more\nhint: remove it from ACCEPTED in cli/tools/policies/check.js`,
  );
console.log(
  `judged ${statements} statements of ${files.length} deploy policies and ${policies.length - files.length} policies of the modules`,
);
process.exit(faults > 0 ? 1 : 0);
