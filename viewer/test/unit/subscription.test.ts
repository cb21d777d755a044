import type { LogEvent, ServerMessage } from "ralph-logs";
import { expect, test, vi } from "vitest";
import { type Link, Subscription } from "../../client/src/subscription.ts";
import { runAt, Writer } from "../mock/story.ts";

// A subscription on a connection that stands, told by hand what comes.

const run = runAt(1_790_000_000_000);

function follow() {
  const sent: unknown[] = [];
  let requests = 0;
  const link: Link = {
    state: "open",
    send: (message) => sent.push(message),
    leave: () => {},
    id: () => String(++requests),
  };
  const subscription = new Subscription("demo", link);
  const hear = (message: object) =>
    subscription.take({
      type: "message",
      message: { workstream: "demo", ...message } as ServerMessage,
    });
  const lines = (events: LogEvent[]) => hear({ type: "logs", source: "live", events });
  const answer = (id: string) => hear({ type: "caughtUp", id, complete: true, cursor: null });
  return { subscription, sent, hear, lines, answer };
}

test("after a cut, nothing is live before the server has answered", () => {
  const { subscription, hear, lines, answer } = follow();
  const state = () => subscription.status.state;
  subscription.take({ type: "connected" });
  expect(state()).toBe("replaying");
  answer("1");
  lines(new Writer("demo", run).lines(2));
  expect(state()).toBe("live");
  subscription.take({ type: "disconnected" });
  subscription.take({ type: "connected" });
  expect(state()).toBe("replaying");
  hear({ type: "error", id: "2", code: "throttled", message: "", retryAfterMs: 5_000 });
  expect(state()).toBe("replaying");
  subscription.close();
});

test("a question about a silent run does not count as a replay: the state stays as it is", async () => {
  vi.useFakeTimers();
  try {
    const { subscription, sent, lines, answer } = follow();
    subscription.take({ type: "connected" });
    answer("1");
    lines(new Writer("demo", run).lines(2));
    const states: string[] = [];
    subscription.on("status", ({ state }) => states.push(state));
    await vi.advanceTimersByTimeAsync(70_000);
    expect(sent).toContainEqual(
      expect.objectContaining({ ranges: [expect.objectContaining({ from: 3, to: null })] }),
    );
    expect(states).toEqual([]);
    subscription.close();
  } finally {
    vi.useRealTimers();
  }
});

test("batches that come while `for await` reads one all count as taken", async () => {
  const { subscription, lines, answer } = follow();
  const writer = new Writer("demo", run);
  const seqs: number[] = [];
  const waits: Promise<unknown>[] = [];
  const reading = (async () => {
    for await (const batch of subscription) {
      seqs.push(...batch.map((line) => line.seq));
      // What a timer releases does not wait for the inbox.
      if (seqs.length === 1) waits.push(...lines(writer.lines(1)), ...lines(writer.lines(1)));
    }
  })();
  subscription.take({ type: "connected" });
  answer("1");
  waits.push(...lines(writer.lines(1)));
  await vi.waitFor(() => expect(seqs).toEqual([1, 2, 3]), 10_000);
  expect(waits.length).toBe(3);
  await Promise.all(waits);
  subscription.close();
  await reading;
});
