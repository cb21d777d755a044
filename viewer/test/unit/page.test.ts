import fc from "fast-check";
import type { Line, LogEvent, RunInfo } from "ralph-logs";
import { expect, test } from "vitest";
import { paletteColor, plain } from "../../page/ansi.ts";
import { entryOf, GROUPS, LEVELS, plainOf } from "../../page/entry.ts";
import { TextPattern } from "../../page/filter.ts";
import * as format from "../../page/format.ts";
import { marksOf } from "../../page/marks.ts";
import { rowsOf, type Wanted } from "../../page/rows.ts";
import { spentOf } from "../../page/spent.ts";
import { LogStore } from "../../page/store.ts";
import { runAt } from "../mock/story.ts";

const A = runAt(1_790_000_000_000);
const B = runAt(1_790_000_000_000, 2);

const line = (run: string, seq: number, text = `${seq}`): Line => ({
  run,
  seq,
  ts: 1_790_000_000_000 + seq * 1_000,
  event: {
    v: 1,
    workstream: "w",
    run,
    seq,
    iter: 0,
    level: "info",
    ts: "",
    type: "log",
    text,
  } as LogEvent,
});
const rawLine = (run: string, at: number): Line => ({
  run,
  seq: 0,
  ts: 1_790_000_000_000 + at * 1_000,
  event: { type: "raw", run, stream: "s", ts: at, text: `raw ${at}` },
});
const everything = (): Wanted => ({
  levels: new Set(LEVELS),
  groups: new Set(GROUPS),
  pattern: undefined,
  version: 1,
});
const keys = (store: LogStore, wanted = everything()) =>
  rowsOf(store, wanted).map((row) =>
    row.kind === "line" ? row.entry.line.seq || row.entry.text : row.kind,
  );

test("lines lie in the order of their runs and numbers, whatever the order they come in", () => {
  const all = [A, B].flatMap((run) => [1, 2, 3, 4, 5, 6].map((seq) => line(run, seq)));
  fc.assert(
    fc.property(fc.shuffledSubarray(all, { minLength: all.length }), (shuffled) => {
      const store = new LogStore();
      for (const one of shuffled) store.add([one]);
      expect(keys(store)).toEqual(["run", 1, 2, 3, 4, 5, 6, "run", 1, 2, 3, 4, 5, 6]);
    }),
  );
});

test("a raw line lies where its time puts it", () => {
  const store = new LogStore();
  store.add([rawLine(A, 0), line(A, 1), line(A, 2), line(A, 4)]);
  store.add([rawLine(A, 2.5), line(A, 3), rawLine(A, 9)]);
  expect(keys(store)).toEqual(["run", "raw 0", 1, 2, "raw 2.5", 3, 4, "raw 9"]);
});

test("gaps lie between the lines they separate", () => {
  const store = new LogStore();
  store.add([1, 4, 7].map((seq) => line(A, seq)));
  store.gaps = [
    { run: A, from: 2, to: 3, state: "lost" },
    { run: A, from: 5, to: 6, state: "pending" },
    { run: A, from: 8, to: 9, state: "pending" },
  ];
  expect(keys(store)).toEqual(["run", 1, "gap", 4, "gap", 7, "gap"]);
});

test("the ring lets the oldest go, and counts stay right", () => {
  const store = new LogStore();
  for (let n = 1; n <= 50; n++) store.add([line(A, n)]);
  for (let n = 1; n <= 100; n++) store.add([line(B, n)]);
  expect(store.evict(140)).toBeUndefined();
  expect(store.evict(60)).toEqual({ run: B, seq: 40 });
  expect(store.length).toBe(60);
  expect(store.counts.get("info")).toBe(60);
  expect(keys(store)[1]).toBe(41);
});

test("a few huge lines are too many as well", () => {
  const store = new LogStore();
  for (let n = 1; n <= 3_000; n++) store.add([line(A, n, "x".repeat(12_000))]);
  store.evict(10_000);
  expect(store.length).toBeLessThan(2_000);
  expect(store.length).toBeGreaterThan(1_000);
});

test("a text is found as it is; case matters only if it has a capital", () => {
  const facts: [filter: string, text: string, places: number[][]][] = [
    ["error", "an Error here", [[3, 8]]],
    ["Error", "an error here", []],
    ["a.c", "abc", []],
    [
      "a.c",
      "a.c a.C",
      [
        [0, 3],
        [4, 7],
      ],
    ],
    ["(", "f()", [[1, 2]]],
    ["to ken", "to\u001b[1m ken", [[0, 6]]],
  ];
  for (const [filter, text, places] of facts) {
    const pattern = new TextPattern(filter);
    const entry = entryOf(line(A, 1, text));
    expect(pattern.matches(entry), `${filter} in ${text}`).toBe(places.length > 0);
    expect(pattern.marks(entry, plainOf(entry))).toEqual(places);
  }
});

test("places of no length are not marked, and marks have an end", () => {
  expect(marksOf("baac", /a*/g)).toEqual([[1, 3]]);
  expect(marksOf("x".repeat(1_000), /x/g)).toHaveLength(100);
});

test("a person reads no escape codes and no control characters", () => {
  const facts = [
    ["\u001b[31mred\u001b[0m", "red"],
    ["to\u001b[1mken", "token"],
    ["\u001b]0;title\u0007text", "text"],
    ["\u001b]8;;https://x\u001b\\link\u001b]8;;\u001b\\", "link"],
    ["\u001b[2K\u001b[1Gprogress", "progress"],
    ["a\r\nb", "a\nb"],
    ["50 %\r100 %", "50 %\n100 %"],
    ["\u0000\u0008x\u007f", "x"],
    ["<b>&amp;</b>", "<b>&amp;</b>"],
    ["\u001b[38:2::1:2:3;4:3mcolons\u001b[0m", "colons"],
    ["\u001b[58:5:1munderline\u001b[59m", "underline"],
  ];
  for (const [text, read] of facts) expect(plain(text as string)).toBe(read);
});

test("the 256 colours", () => {
  expect(paletteColor(1)).toBe("var(--ansi-red)");
  expect(paletteColor(12)).toBe("var(--ansi-bright-blue)");
  expect(paletteColor(16)).toBe("rgb(0, 0, 0)");
  expect(paletteColor(208)).toBe("rgb(255, 135, 0)");
  expect(paletteColor(231)).toBe("rgb(255, 255, 255)");
  expect(paletteColor(244)).toBe("rgb(128, 128, 128)");
});

test("a type that is not known yet is shown by what it has", () => {
  const event = { v: 1, run: A, seq: 1, type: "from.the.future", x: 1 } as unknown as LogEvent;
  const entry = entryOf({ run: A, seq: 1, ts: 0, event });
  expect(entry).toMatchObject({ group: "log", level: "info" });
  expect(entry.text).toContain("from.the.future");
});

test("what the setup command says stands with what tools say", () => {
  const event = { ...line(A, 1).event, type: "setup", text: "Compiling rustix v1.1.6" } as LogEvent;
  const entry = entryOf({ run: A, seq: 1, ts: 0, event });
  expect(entry).toMatchObject({ group: "tools", text: "Compiling rustix v1.1.6" });
});

test("an event that lacks what its type should have takes no other line with it", () => {
  const store = new LogStore();
  const types = [
    "clone",
    "iter.end",
    "checkpoint",
    "agent.tool",
    "agent.text",
    "run.start",
    "run.end",
    "spend",
    "wait",
  ];
  store.add(
    types.map((type, i) => {
      const { v, run, seq } = line(A, i + 1).event as { v: 1; run: string; seq: number };
      return { ...line(A, i + 1), event: { v, run, seq, type } as unknown as LogEvent };
    }),
  );
  store.add([line(A, types.length + 1)]);
  expect(store.length).toBe(types.length + 1);
  for (const entry of store.entries()) expect(plainOf(entry)).toEqual(expect.any(String));
  expect(spentOf(store, A).tokens).toBe(0);
});

test("amounts in few characters", () => {
  expect([0, 850, 12_345, 245_000, 7_620_000].map(format.duration)).toEqual([
    "0 ms",
    "850 ms",
    "12.3 s",
    "4 min 05 s",
    "2 h 07 min",
  ]);
  expect([0, 0.0123, 1.005, 25].map(format.money)).toEqual(["$0.00", "$0.0123", "$1.00", "$25.00"]);
  expect([999, 1_234, 12_345, 4_500_000].map(format.count)).toEqual(["999", "1.2k", "12k", "4.5M"]);
});

const C = runAt(1_790_000_000_001);
const eventLine = (run: string, seq: number, event: object): Line => {
  const one = line(run, seq);
  return { ...one, event: { ...one.event, ...event } as LogEvent };
};
/** Ten tokens for each iteration. */
const spendOf = (spentUsd: number, executionUsd: number, iterations: number, reservedUsd = 0) => ({
  spentUsd,
  reservedUsd,
  executionUsd,
  tokens: {
    input: 4 * iterations,
    output: iterations,
    cacheRead: 3 * iterations,
    cacheWrite: 2 * iterations,
  },
  iterations,
});
const spend = (...of: Parameters<typeof spendOf>) => ({ type: "spend", ...spendOf(...of) });
const infoOf = (run: string, info: Partial<RunInfo>): RunInfo => ({
  run,
  attempt: Number(run.slice(-4)),
  startedAt: 0,
  lastSeq: 9,
  lastTs: 0,
  state: "running",
  ...info,
});

test("cost is the worker's own sum over all attempts; what is not known is not made up", () => {
  const store = new LogStore();
  const add = (run: string, seq: number, event: object) => store.add([eventLine(run, seq, event)]);
  const tokens = { input: 1, output: 2, cacheRead: 3, cacheWrite: 4 };
  const end = (costUsd: number) => ({ type: "iter.end", iter: 1, outcome: "ok", costUsd, tokens });
  expect(spentOf(store, A).costUsd).toBeUndefined();
  add(A, 1, { type: "run.start", attempt: 1, limits: { maxIterations: 9 } });
  expect(spentOf(store, A)).toMatchObject({ costUsd: 0, whole: true });
  add(A, 2, spend(0, 0, 0, 0.3));
  expect(spentOf(store, A)).toMatchObject({ costUsd: 0, reservedUsd: 0.3 });
  // Iteration 1 fails, is made again, and is one iteration. A request of neither is in the sum alone.
  add(A, 3, end(0.5));
  add(A, 4, end(0.25));
  add(A, 5, spend(0.875, 0.875, 2));
  expect(spentOf(store, A)).toMatchObject({
    costUsd: 0.875,
    reservedUsd: 0,
    tokens: 20,
    whole: true,
    iterations: [{ iter: 1, costUsd: 0.75, tokens: 20 }],
  });
  // Another attempt, of which the page has the newest lines alone.
  add(B, 90, spend(4, 5, 3));
  expect(spentOf(store, B)).toMatchObject({ costUsd: 5, tokens: 50, whole: true });
  expect(spentOf(store, B).limits).toMatchObject({ maxIterations: 9 });
  // Its end; then an older page.
  add(B, 91, { type: "run.end", reason: "complete", exit: 0, spend: spendOf(4.5, 5.5, 4) });
  add(B, 80, spend(1, 2, 1, 0.3));
  expect(spentOf(store, B)).toMatchObject({ costUsd: 5.5, reservedUsd: 0, tokens: 60 });
  // The first attempt's own header counts no later one, and another execution nothing of it.
  expect(spentOf(store, A).costUsd).toBe(0.875);
  expect(spentOf(store, C)).toMatchObject({ costUsd: undefined, tokens: 0, limits: undefined });
});

test("after a run that was killed, the ledger's number counts, and it never shrinks", () => {
  const store = new LogStore();
  store.add([eventLine(A, 1, { type: "run.start", attempt: 1 })]);
  store.add([eventLine(A, 2, spend(2, 2, 1, 0.5))]);
  const { accounts } = store;
  store.take([infoOf(A, { state: "failed", spentUsd: 2 })]);
  expect(spentOf(store, A).costUsd).toBe(2);
  store.take([infoOf(A, { state: "failed", spentUsd: 2.5 })]);
  expect(spentOf(store, A).costUsd).toBe(2.5);
  expect(store.accounts, "the header adds up again").toBeGreaterThan(accounts);
  // Messages overtake each other.
  store.take([infoOf(A, { state: "failed", spentUsd: 2 })]);
  expect(spentOf(store, A).costUsd).toBe(2.5);
  // The next attempt has said nothing yet.
  store.take([infoOf(B, { state: "starting", lastSeq: 0 })]);
  expect(spentOf(store, B)).toMatchObject({ costUsd: 2.5, reservedUsd: 0, whole: true });
});

test("of an attempt whose lines are not loaded, the cost is known and the tokens are not", () => {
  const store = new LogStore();
  store.take([infoOf(A, { state: "ended", spentUsd: 3 }), infoOf(B, { spentUsd: 4 })]);
  expect(spentOf(store, B)).toMatchObject({ costUsd: 4, tokens: 0, whole: false });
  store.add([eventLine(B, 50, spend(1.5, 4.5, 1))]);
  expect(spentOf(store, B)).toMatchObject({ costUsd: 4.5, tokens: 10, whole: false });
});

test("what a run has spent so far is held, but no row and in no count", () => {
  const store = new LogStore();
  store.add([line(A, 1), eventLine(A, 2, spend(1, 1, 1)), line(A, 3)]);
  expect(keys(store)).toEqual(["run", 1, 3]);
  expect([...store.entries()].map((entry) => entry.line.seq)).toEqual([1, 2, 3]);
  expect([store.length, store.shown, store.counts.get("info")]).toEqual([3, 2, 2]);
  store.evict(0);
  expect([store.length, store.shown, store.counts.get("info")]).toEqual([0, 0, 0]);
  expect(spentOf(store, A).costUsd).toBe(1);
});
