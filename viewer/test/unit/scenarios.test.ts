import { readdirSync, readFileSync } from "node:fs";
import type { LogEvent, Range, SendLogs } from "ralph-logs";
import { describe, expect, test } from "vitest";
import { Rules } from "../../client/src/rules.ts";
import type { Output } from "../../client/src/types.ts";
import { handleFrame } from "./frames.ts";

// The format is described in protocol/scenarios/README.md; the Rust rules run the same files.
const FOLDER = new URL("../../../protocol/scenarios/", import.meta.url);
const START = 1_800_000_000_000;
/** Where the rules' clock begins: it has nothing to do with the time of day. */
const CLOCK = 5_000;

interface Expected {
  shown?: Record<string, string>;
  raw?: string[];
  sent?: Partial<SendLogs>[];
  pings?: number;
  pending?: Record<string, number>;
  lost?: Record<string, number>;
  redelivered?: number;
  replaying?: boolean;
  loadingOlder?: boolean;
  refused?: boolean;
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

type Fields = Record<string, unknown>;

const absolute = (ts: unknown): number => START + (ts as number);

/** A raw line; what has no run or no time stays as it is. */
function element(short: unknown): unknown {
  const { run, ts } = (short ?? {}) as Fields;
  if (run === undefined || ts === undefined) return short;
  return { ...(short as Fields), run: runId(run as string), ts: absolute(ts) };
}

function runInfo(short: Fields): Fields {
  const full = { attempt: 1, startedAt: 0, lastSeq: 0, lastTs: 0, state: "running", ...short };
  const times = { startedAt: absolute(full.startedAt), lastTs: absolute(full.lastTs) };
  return { ...full, ...times, run: runId(short.run as string) };
}

/** A message as scenarios write it, as a frame. */
function frame(short: Fields, at: number): string {
  const { ts = at, field, ...message } = { workstream: "w", ...short } as Fields;
  if (typeof message.events === "string") message.events = events(message.events, ts as number);
  else if (Array.isArray(message.events)) message.events = message.events.map(element);
  if (typeof message.run === "string") message.run = runId(message.run);
  if (Array.isArray(message.runs)) message.runs = message.runs.map(runInfo);
  if (message.readTo !== undefined) message.readTo = element(message.readTo);
  const text = JSON.stringify(message);
  // What cannot be written as a value goes in as text.
  if (field === "lone surrogate") return text.replaceAll('"v":1', '"v":1,"field":"\\ud800"');
  if (field !== "deep") return text;
  return text.replaceAll('"v":1', `"v":1,"field":${"[".repeat(5_000)}${"]".repeat(5_000)}`);
}

/** Plays a scenario and calls `check` for each step that expects something. */
function play(scenario: Scenario, random: () => number) {
  const rules = new Rules({ workstream: "w", random });
  const shown: Record<string, number[]> = {};
  const raw: string[] = [];
  const sent: SendLogs[] = [];
  let unseen = 0;
  let pings = 0;
  let refused = false;
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
      } else if (output.type === "refused") refused = true;
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
          const { run, ts, after, ...rest } = range as Fields;
          return {
            ...rest,
            run: runId(run as string),
            ...(ts !== undefined && { ts: ts === "start" ? 0 : absolute(ts) }),
            ...(after !== undefined && { after: absolute(after) }),
          };
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
      count((run) => rules.pending(CLOCK + at, run), expected.pending);
    }
    if (expected.lost !== undefined) count((run) => rules.lost(run), expected.lost);
    for (const key of ["replaying", "loadingOlder"] as const) {
      if (expected[key] !== undefined) expect(rules[key], `${where}: ${key}`).toBe(expected[key]);
    }
    if (expected.refused !== undefined) expect(refused, where).toBe(expected.refused);
  };
  for (const step of scenario.steps) {
    const at = CLOCK + step.at;
    for (let due = rules.nextTick(); due !== undefined && due <= at; due = rules.nextTick()) {
      carryOut(rules.handle(due, { type: "tick" }));
    }
    if (step.in === "connected" || step.in === "disconnected") {
      carryOut(rules.handle(at, { type: step.in }));
    } else if (step.in !== undefined) {
      const text = typeof step.in === "string" ? step.in : frame(step.in, step.at);
      carryOut(handleFrame(rules, at, text));
    }
    if (step.evict !== undefined) rules.evict(runId(step.evict.run), step.evict.seq);
    if (step.older !== undefined) carryOut(rules.older(at, step.older));
    if (step.expect !== undefined) check(step.expect, step.at);
  }
}

const files = readdirSync(FOLDER).filter((name) => name.endsWith(".json"));
test("there are scenarios", () => expect(files.length).toBeGreaterThan(40));

describe.each(files)("%s", (file) => {
  const scenario: Scenario = JSON.parse(readFileSync(new URL(file, FOLDER), "utf8"));
  test.each([0, 0.5, 0.999])(`${scenario.about} (jitter %d)`, (jitter) => {
    play(scenario, () => jitter);
  });
});
