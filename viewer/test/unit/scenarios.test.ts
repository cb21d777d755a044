import { readdirSync, readFileSync } from "node:fs";
import type { LogEvent, Range, RunInfo, SendLogs, ServerMessage } from "ralph-logs";
import { describe, expect, test } from "vitest";
import { Rules } from "../../client/src/rules.ts";
import type { Input, Output } from "../../client/src/types.ts";

// The format is described in protocol/scenarios/README.md; the Rust rules run the same files.
const FOLDER = new URL("../../../protocol/scenarios/", import.meta.url);
const START = 1_800_000_000_000;

interface Expected {
  shown?: Record<string, string>;
  raw?: string[];
  sent?: Partial<SendLogs>[];
  pings?: number;
  pending?: Record<string, number>;
  lost?: Record<string, number>;
  redelivered?: number;
}
interface Step {
  at: number;
  in?: string | Record<string, unknown>;
  expect?: Expected;
  evict?: { run: string; seq: number };
  older?: number;
}
interface Scenario {
  about: string;
  steps: Step[];
}

const runId = (letter: string) => `01M0000000000000000000000${letter}-0001`;
const letterOf = (run: string) => run.slice(25, 26);

function numbers(text: string): number[] {
  return text.split(" ").flatMap((part) => {
    const [first, last = first] = part.split("-").map(Number) as [number, number?];
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

function events(text: string, ts: number): LogEvent[] {
  const [, run = "", list = "", type = "log"] = text.match(/^(\S+) ([\d -]*\d)(?: (\S+))?$/) ?? [];
  return numbers(list).map(
    (seq) =>
      ({
        v: 1,
        ts: new Date(START + ts).toISOString(),
        workstream: "w",
        run: runId(run),
        seq,
        iter: 0,
        level: "info",
        type,
        ...(type === "run.end" ? { reason: "complete", exit: 0 } : { text: `line ${seq}` }),
      }) as LogEvent,
  );
}

function input(step: Step): Input {
  if (step.in === "connected" || step.in === "disconnected") return { type: step.in };
  const message = { workstream: "w", ...(step.in as Record<string, unknown>) } as ServerMessage;
  if (message.type === "logs") {
    const { ts = step.at, ...rest } = message as typeof message & { ts?: number };
    const list = rest.events as unknown as string | LogEvent[];
    if (typeof list === "string") rest.events = events(list, ts);
    else {
      rest.events = list.map((raw) => {
        return { ...raw, run: runId(raw.run), ts: START + (raw.ts as number) } as LogEvent;
      });
    }
    return { type: "message", message: rest };
  }
  if (message.type === "runs") {
    const runs = message.runs.map((run: Partial<RunInfo>) => {
      const { lastSeq = 0, lastTs = 0, startedAt = 0 } = run;
      const times = { startedAt: START + startedAt, lastTs: lastSeq === 0 ? 0 : START + lastTs };
      const defaults = { attempt: 1, lastSeq, state: "running" };
      return { ...defaults, ...run, ...times, run: runId(run.run as string) };
    }) as RunInfo[];
    return { type: "message", message: { ...message, runs } };
  }
  if (message.type === "task") message.run = runId(message.run);
  return { type: "message", message };
}

/** Plays a scenario and calls `check` for each step that expects something. */
function play(scenario: Scenario, random: () => number) {
  const rules = new Rules({ workstream: "w", random });
  const shown: Record<string, number[]> = {};
  const raw: string[] = [];
  const sent: SendLogs[] = [];
  let unseen = 0;
  let pings = 0;
  const carryOut = (outputs: Output[]) => {
    for (const output of outputs) {
      if (output.type === "show") {
        for (const line of output.lines) {
          if (line.event.type === "raw") raw.push((line.event as { text: string }).text);
          else {
            const letter = letterOf(line.run);
            shown[letter] = [...(shown[letter] ?? []), line.seq];
          }
        }
      } else if (output.type === "send") {
        if (output.message.action === "ping") pings++;
        else sent.push(output.message);
      }
    }
  };
  const check = (expected: Expected, at: number) => {
    const where = `at ${at}`;
    const count = (of: (run: string) => number, named: Record<string, number>) => {
      for (const letter of ["A", "B", "C"]) {
        expect(of(runId(letter)), `${where}, run ${letter}`).toBe(named[letter] ?? 0);
      }
    };
    if (expected.shown !== undefined) {
      const lists = Object.entries(expected.shown).map(([run, list]) => [run, numbers(list)]);
      expect(shown, where).toEqual(Object.fromEntries(lists));
    }
    if (expected.raw !== undefined) expect(raw, where).toEqual(expected.raw);
    if (expected.sent !== undefined) {
      const wanted = expected.sent.map((ask) => {
        if (ask.run !== undefined) return { ...ask, run: runId(ask.run) };
        if (ask.ranges === undefined) return ask;
        const ranges = ask.ranges.map((range: Partial<Range>) => {
          const known = { ...range, run: runId(range.run as string) };
          return range.ts === undefined ? known : { ...known, ts: START + range.ts };
        });
        return { ...ask, ranges };
      });
      const fresh = sent.slice(unseen);
      unseen = sent.length;
      expect(fresh.length, `${where}: ${JSON.stringify(fresh)}`).toBe(wanted.length);
      expect(fresh, where).toMatchObject(wanted);
    }
    if (expected.pings !== undefined) expect(pings, where).toBe(expected.pings);
    if (expected.redelivered !== undefined) {
      expect(rules.redelivered, where).toBe(expected.redelivered);
    }
    if (expected.pending !== undefined) {
      count((run) => rules.pending(START + at, run), expected.pending);
    }
    if (expected.lost !== undefined) count((run) => rules.lost(run), expected.lost);
  };
  let now = START;
  for (const step of scenario.steps) {
    const at = START + step.at;
    for (let due = rules.nextTick(); due !== undefined && due <= at; due = rules.nextTick()) {
      // A tick that changes nothing would be due again at once, for ever.
      const next = Math.max(due, now);
      carryOut(rules.handle(next, { type: "tick" }));
      now = next;
      const after = rules.nextTick();
      if (after !== undefined && after <= next)
        throw new Error(`a tick at ${next - START} is idle`);
    }
    now = at;
    if (step.in !== undefined) carryOut(rules.handle(at, input(step)));
    if (step.evict !== undefined) rules.evict(runId(step.evict.run), step.evict.seq);
    if (step.older !== undefined) carryOut(rules.older(at, step.older));
    if (step.expect !== undefined) check(step.expect, step.at);
  }
}

const files = readdirSync(FOLDER).filter((name) => name.endsWith(".json"));
test("there are scenarios", () => expect(files.length).toBeGreaterThan(25));

describe.each(files)("%s", (file) => {
  const scenario: Scenario = JSON.parse(readFileSync(new URL(file, FOLDER), "utf8"));
  test.each([0, 0.5, 0.999])(`${scenario.about} (jitter %d)`, (jitter) => {
    play(scenario, () => jitter);
  });
});
