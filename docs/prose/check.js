// Looks for the phrases of phrases.js in every text file that git tracks, and exits 1 when it finds one.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import phrases from "./phrases.js";

/** Not ours to word: licences, lock files, captured input; and the two files that quote the phrases. */
const SKIPPED =
  /^LICENSE|lock(\.json)?$|^fuzz\/seeds\/|proptest-regressions|fixtures\/.*\.json$|\.(png|svg|stderr)$|^docs\/(style\.md|prose\/)/;

/** Between two words: a space, an underscore, or a line break with a comment's or a string's marks. */
const GAP = String.raw`(?: +|_|\\n *|[ \t]*(?:\\n)?\\?\n[ \t]*(?:(?:\/\/[\/!]?|#+|\*|>)[ \t]*)?)`;

const rules = phrases.map(({ phrase, ...rule }) => ({
  ...rule,
  // `_` is a gap here, so a word ends at it.
  find: new RegExp(
    phrase.source.replaceAll(String.raw`\b`, "(?:(?<![A-Za-z0-9])|(?![A-Za-z0-9]))").replaceAll(" ", GAP),
    "gi",
  ),
}));

for (const { find, finds, leaves } of rules) {
  if (finds.search(find) < 0) throw new Error(`${find} does not find "${finds}"`);
  if (leaves.search(find) >= 0) throw new Error(`${find} finds "${leaves}"`);
}

const root = new URL("../..", import.meta.url);
const files = execFileSync("git", ["ls-files", "-z"], { cwd: root, encoding: "utf8" }).split("\0");
let found = 0;
for (const file of files.filter((file) => file !== "" && !SKIPPED.test(file))) {
  const text = readFileSync(new URL(file, root), "utf8");
  for (const { find, instead } of rules) {
    for (const { 0: hit, index } of text.matchAll(find)) {
      const line = text.slice(0, index).split("\n").length;
      console.error(`${file}:${line}: "${hit.replace(/\s+(\/\/[/!]?|#+|\*|>)?\s*/g, " ")}"; write ${instead}`);
      found += 1;
    }
  }
}
if (found > 0) {
  console.error(`error: ${found} phrases that docs/style.md bans\nhint: reword them, or, if one is right there, narrow its pattern in docs/prose/phrases.js`);
  process.exit(1);
}
