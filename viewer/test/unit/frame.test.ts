import { expect, test, vi } from "vitest";
import { readFrame } from "../../client/src/frame.ts";
import { Inbox, type Message } from "../../client/src/inbox.ts";
import { runAt } from "../mock/story.ts";

const run = runAt(1_790_000_000_000);
const info = { run, attempt: 1, startedAt: 1, lastSeq: 0, lastTs: 0, state: "running" };
const deep = `${"[".repeat(5_000)}${"]".repeat(5_000)}`;

test.each([
  ['{"message":"Internal server error","connectionId":"x=","requestId":"y"}', "gateway"],
  ["{}", "gateway"],
  ['{"type":"news","at":1}', "unknown"],
  ['{"type":"toString"}', "unknown"],
  ['{"type":"pong"}', "message"],
  ['{"type":"logs","workstream":"w","source":"live","events":[null,5]}', "message"],
  [`{"type":"logs","workstream":"w","source":"live","events":[${deep}]}`, "message"],
  ['{"type":"logs","workstream":"w","source":"live","events":["\\ud800"]}', "message"],
  ['{"type":"logs","workstream":"w"}', "unreadable"],
  ['{"type":"logs","workstream":5,"source":"live","events":[]}', "unreadable"],
  ['{"type":"logs","id":1,"workstream":"w","source":"live","events":[]}', "unreadable"],
  ['{"type":"logs","workstream":"w","source":"live","events":{}}', "unreadable"],
  [JSON.stringify({ type: "runs", workstream: "w", runs: [info] }), "message"],
  [JSON.stringify({ type: "runs", workstream: "w", runs: [{ ...info, raw: 3 }] }), "message"],
  ['{"type":"runs","workstream":"w","runs":[null]}', "unreadable"],
  ['{"type":"runs","workstream":"w","runs":[{}]}', "unreadable"],
  [JSON.stringify({ type: "runs", workstream: "w", runs: [{ ...info, run: "x" }] }), "unreadable"],
  [
    JSON.stringify({ type: "runs", workstream: "w", runs: [{ ...info, lastSeq: "1" }] }),
    "unreadable",
  ],
  ['{"type":"caughtUp","workstream":"w","complete":true,"cursor":null}', "message"],
  ['{"type":"caughtUp","workstream":"w","complete":"yes","cursor":null}', "unreadable"],
  [
    `{"type":"caughtUp","workstream":"w","complete":false,"cursor":null,"readTo":{"run":"${run}","ts":1}}`,
    "message",
  ],
  ['{"type":"caughtUp","workstream":"w","complete":false,"cursor":null,"readTo":5}', "unreadable"],
  ['{"type":"error","code":"throttled","message":"","retryAfterMs":5}', "message"],
  ['{"type":"error","code":"throttled","message":"","retryAfterMs":"soon"}', "unreadable"],
  ['{"type":5}', "unreadable"],
  ["oops", "unreadable"],
  ["null", "unreadable"],
  ["[]", "unreadable"],
  ["", "unreadable"],
])("%.80s is %s", (text, is) => {
  const frame = readFrame(text);
  expect(typeof frame === "object" ? "message" : frame).toBe(is);
});

test("what cannot be read or handled is told, what is not known yet is ignored, and the rest goes on", () => {
  const heard: Message[] = [];
  const dropped = vi.fn();
  const reported = vi.spyOn(console, "error").mockImplementation(() => {});
  const inbox = new Inbox((message) => {
    if (message.type === "task") throw new Error("a fault of ours");
    heard.push(message);
    return [];
  }, dropped);
  inbox.put('{"type":"news"}');
  expect(dropped).not.toHaveBeenCalled();
  inbox.put("oops");
  inbox.put(new ArrayBuffer(1));
  expect(dropped).toHaveBeenCalledTimes(2);
  expect(reported).not.toHaveBeenCalled();
  inbox.put(JSON.stringify({ type: "task", workstream: "w", run, status: "RUNNING" }));
  expect(dropped).toHaveBeenCalledTimes(3);
  expect(reported.mock.calls).toEqual([[new Error("a fault of ours")]]);
  inbox.put('{"message":"Internal server error"}');
  inbox.put('{"type":"pong"}');
  expect(heard).toEqual([{}, { type: "pong" }]);
  reported.mockRestore();
});
