// Measures the Node function: `decode FILE REPEATS` or `fan-out URL`.
import { readFileSync } from "node:fs";
import { fanOut, frames, managementClient } from "./push-logs.mjs";

const [mode, where, repeats] = process.argv.slice(2);
if (mode === "decode") {
  const text = readFileSync(where, "utf8");
  for (let i = 0; i < Number(repeats); i++) {
    const begun = performance.now();
    // The runtime hands a function its event parsed.
    frames(JSON.parse(text));
    console.log((performance.now() - begun).toFixed(6));
  }
} else {
  const client = managementClient(where);
  const connections = Array.from({ length: 1_000 }, (_, n) => `c${n}=`);
  const frame = Buffer.alloc(16 << 10, "x");
  for (let pass = 0; pass < 12; pass++) {
    const done = [];
    const begun = performance.now();
    await fanOut(client, connections, frame, () => done.push(performance.now() - begun));
    done.sort((a, b) => a - b);
    const p99Ms = done[Math.floor(done.length * 0.99)];
    if (pass > 0) console.log(JSON.stringify({ posts: done.length, p99Ms, lastMs: done.at(-1) }));
  }
}
