import { expect, test } from "vitest";
import { readLine } from "../../client/src/line.ts";

const run = "01M0000000000000000000000A-0001";
const event = {
  v: 1,
  ts: "2026-11-22T10:00:00.123Z",
  workstream: "w",
  run,
  seq: 7,
  type: "from.the.future",
  x: { y: [] },
};
const raw = { type: "raw", run, stream: "s", ts: 5, text: "x" };

test.each<[what: string, element: unknown]>([
  ["an event of an unknown type", event],
  ["the highest number", { ...event, seq: Number.MAX_SAFE_INTEGER }],
  ["fields that may be null", { ...event, exit: null, reason: null, until: null }],
  ["an exit code and a reason", { ...event, exit: 255, reason: "complete", until: 1 }],
  ["a raw line", raw],
  ["a part of a raw line", { ...raw, part: [1, 2] }],
  ["a raw line whose part is null", { ...raw, part: null }],
])("%s is a line", (_, element) => {
  expect(readLine(element, "w")).toMatchObject({ run, event: element });
});

test.each<[what: string, element: unknown]>([
  ["null", null],
  ["a number", 5],
  ["a text", "x"],
  ["a list", [event]],
  ["an empty object", {}],
  ["another version", { ...event, v: 2 }],
  ["another workstream", { ...event, workstream: "other" }],
  ["a run in lower case", { ...event, run: run.toLowerCase() }],
  ["number 0", { ...event, seq: 0 }],
  ["a number beyond 2^53 - 1", { ...event, seq: 2 ** 53 }],
  ["half a number", { ...event, seq: 1.5 }],
  ["a number as text", { ...event, seq: "7" }],
  ["a time that is not text", { ...event, ts: 5 }],
  ["a type that is not text", { ...event, type: 5 }],
  ["an exit code beyond a byte", { ...event, exit: 256 }],
  ["a reason that is not text", { ...event, reason: 1 }],
  ["an end of waiting that is not a time", { ...event, until: "soon" }],
  ["a raw line without a stream", { ...raw, stream: undefined }],
  ["a raw line whose stream is not text", { ...raw, stream: 1 }],
  ["a raw line without text", { ...raw, text: undefined }],
  ["a raw line whose time is text", { ...raw, ts: "5" }],
  ["a raw line from before 1970", { ...raw, ts: -1 }],
  ["a raw line whose part is a number", { ...raw, part: 5 }],
  ["a raw line whose part is one number", { ...raw, part: [1] }],
  ["a raw line whose part is text", { ...raw, part: ["1", "2"] }],
  ["a raw line whose part is negative", { ...raw, part: [-1, 2] }],
])("%s is not a line", (_, element) => {
  expect(readLine(element, "w")).toBeUndefined();
});

test.each([
  ["2026-11-22T10:00:00.123Z", 1_795_341_600_123],
  ["2026-11-22T11:00:00.1239+01:00", 1_795_341_600_123],
  ["2026-11-22", 0],
  ["2026-11-22T10:00:00", 0],
  ["1969-12-31T23:59:59Z", 0],
  ["yesterday", 0],
])("the time of an event at %s is %d", (ts, ms) => {
  expect(readLine({ ...event, ts }, "w")?.ts).toBe(ms);
});
