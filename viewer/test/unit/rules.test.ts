import type { ServerMessage } from "ralph-logs";
import { expect, test } from "vitest";
import { Rules } from "../../client/src/rules.ts";
import type { Output, RulesOptions } from "../../client/src/types.ts";
import { Writer } from "../mock/story.ts";

// What scenarios cannot say: the ids of requests, and what happens in the same moment.

const run = "01M0000000000000000000000A-0001";

function client(options: Partial<RulesOptions> = {}) {
  const rules = new Rules({ workstream: "w", random: () => 0.5, ...options });
  const hear = (at: number, message: object) =>
    rules.handle(at, {
      type: "message",
      message: { workstream: "w", ...message } as ServerMessage,
    });
  return { rules, hear };
}

const sent = (outputs: Output[]) =>
  outputs.flatMap((output) => (output.type === "send" ? [output.message] : []));

test("requests have the ids that the connection gives", () => {
  let last = 40;
  const { rules } = client({ id: () => String(++last) });
  expect(sent(rules.handle(0, { type: "connected" }))).toMatchObject([{ id: "41" }]);
});

test("who asks for older lines at the moment of a ping gets both", () => {
  const { rules, hear } = client();
  rules.handle(0, { type: "connected" });
  const events = new Writer("w", run).lines(3);
  hear(10, { type: "logs", id: "1", source: "replay", events });
  hear(20, { type: "caughtUp", id: "1", complete: true, cursor: "c" });
  expect(rules.nextTick()).toBe(3_020);
  const asked = sent(rules.older(3_020, 5));
  expect(asked).toMatchObject([{ before: "c", limit: 5 }, { action: "ping" }]);
  // While they are on their way a second request changes nothing.
  expect(rules.older(3_030, 5)).toEqual([]);
});

test("after a refusal no older lines are asked for, nor waited for", () => {
  const { rules, hear } = client();
  rules.handle(0, { type: "connected" });
  const events = new Writer("w", run).lines(3);
  hear(10, { type: "logs", id: "1", source: "replay", events });
  hear(20, { type: "caughtUp", id: "1", complete: true, cursor: "c" });
  hear(30, { type: "error", code: "forbidden", message: "not w" });
  expect(rules.older(40, 5)).toEqual([]);
  expect(rules.loadingOlder).toBe(false);
});

test("lines that were shown before the first page ended and are evicted come back", () => {
  const { rules, hear } = client();
  rules.handle(0, { type: "connected" });
  const events = new Writer("w", run).lines(8);
  hear(10, { type: "logs", id: "1", source: "replay", events: events.slice(0, 5) });
  expect(rules.handle(2_010, { type: "tick" })).toMatchObject([{ type: "show" }]);
  rules.evict(run, 5);
  hear(2_020, { type: "logs", id: "1", source: "replay", events: events.slice(5) });
  hear(2_030, { type: "caughtUp", id: "1", complete: true, cursor: null });
  const asked = sent(rules.handle(4_100, { type: "tick" }));
  expect(asked).toMatchObject([{ ranges: [{ run, from: 1, to: 5 }] }]);
});

test("what is missed together is asked for together again", () => {
  let drawn = 0;
  const { rules, hear } = client({ random: () => (drawn = (drawn + 0.37) % 1) });
  rules.handle(0, { type: "connected" });
  const events = new Writer("w", run).lines(101).filter((_, i) => i % 2 === 0);
  hear(10, { type: "logs", id: "1", source: "replay", events });
  hear(20, { type: "caughtUp", id: "1", complete: true, cursor: null });
  let requests = 0;
  for (let at = rules.nextTick() ?? 0; at < 60_000; at = rules.nextTick() ?? Infinity) {
    for (const message of sent(rules.handle(at, { type: "tick" }))) {
      if (message.action === "ping") hear(at, { type: "runs", runs: [] });
      if (message.action === "ping") hear(at, { type: "pong" });
      if (message.action !== "sendLogs") continue;
      requests++;
      expect(message.ranges).toHaveLength(50);
      hear(at, { type: "caughtUp", id: message.id, complete: true, cursor: null });
    }
  }
  expect(requests).toBeLessThan(10);
});
