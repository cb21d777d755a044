import { createReadStream, existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { Rules } from "../../client/src/rules.ts";
import type { Output } from "../../client/src/types.ts";
import { handleFrame } from "./frames.ts";

// The Rust rules write down what they did in random worlds (protocol/tests/worlds.rs); the same must
// happen here. Both play without jitter.

const FILE = process.env.RALPH_WORLDS_FILE ?? "../target/worlds.jsonl";

type In = string | { frame: string } | { older: number } | { evict: [run: string, seq: number] };

interface World {
  seed: number;
  limit: number;
  steps: { at: number; in: In; out: unknown[]; next: number | null }[];
}

function take(rules: Rules, at: number, input: In): Output[] {
  if (input === "connected" || input === "disconnected" || input === "tick") {
    return rules.handle(at, { type: input });
  }
  if (typeof input === "string") return handleFrame(rules, at, input);
  if ("frame" in input) return handleFrame(rules, at, input.frame);
  if ("older" in input) return rules.older(at, input.older);
  rules.evict(...input.evict);
  return [];
}

/** An output as the file has it. */
function record(output: Output): unknown[] {
  switch (output.type) {
    case "send":
      return [{ send: output.message }];
    case "show":
      return output.lines.map(({ run, seq, event }) =>
        event.type === "raw" ? { raw: (event as { text: string }).text } : { line: [run, seq] },
      );
    case "lost":
      return [{ lost: [output.run, output.from, output.to] }];
    case "caughtUp":
      return ["caughtUp"];
    case "refused":
      return [{ refused: output.code }];
    case "runs":
      return [];
  }
}

function play({ seed, limit, steps }: World): void {
  const rules = new Rules({ workstream: "w", limit, random: () => 0.5 });
  for (const [i, step] of steps.entries()) {
    const out = take(rules, step.at, step.in).flatMap(record);
    const where = `world ${seed}, step ${i}: ${JSON.stringify(step.in)}`;
    const ours = { out, next: rules.nextTick() ?? null };
    expect(ours, where).toEqual({ out: step.out, next: step.next });
  }
}

test("the TypeScript rules do in random worlds what the Rust rules did", async () => {
  const hint = "write it with `cargo test --test worlds` in the repository";
  expect(existsSync(FILE), `there is no ${FILE}\nhint: ${hint}`).toBe(true);
  let worlds = 0;
  for await (const line of createInterface({ input: createReadStream(FILE) })) {
    play(JSON.parse(line));
    worlds++;
  }
  expect(worlds).toBeGreaterThan(0);
}, 600_000);
