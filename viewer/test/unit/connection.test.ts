import { connect, type LogEvent } from "ralph-logs";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Link } from "../mock/link.ts";
import { MockServer } from "../mock/server.ts";
import { runAt, Writer } from "../mock/story.ts";

// What a connection sends, and when it counts as dead: the client against a server with the limits of
// the real one, over links as they are.

const run = runAt(1_790_000_000_000);
let server: MockServer;
let link: Link;
let stop: AbortController;
/** The browser's events of coming back. */
let page: EventTarget;
beforeEach(async () => {
  server = await MockServer.start();
  link = await Link.start(server.port);
  stop = new AbortController();
  page = new EventTarget();
  vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
  vi.stubGlobal("removeEventListener", page.removeEventListener.bind(page));
});
afterEach(async () => {
  vi.unstubAllGlobals();
  stop.abort();
  await link.close();
  await server.close();
});

const follow = (workstreams: string[], url = server.websocketUrl) => {
  const client = connect({
    url,
    token: (request) => server.token(request.workstreams),
    workstreams,
    signal: stop.signal,
  });
  const seqs = new Map<string, number[]>();
  const subscribe = (workstream: string) => {
    const subscription = client.subscribe(workstream);
    subscription.on("lines", (lines) => {
      const shown = lines.map(({ seq }) => seq);
      seqs.set(workstream, [...(seqs.get(workstream) ?? []), ...shown]);
    });
    return subscription;
  };
  return { client, seqs, subscribe, subscriptions: workstreams.map(subscribe) };
};
const unfollowed = () =>
  server.received.filter((m) => m.action === "sendLogs" && m.follow === false);
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test("a workstream that is closed is left a moment later, and one that is opened again is not", async () => {
  const { client, seqs, subscribe, subscriptions } = follow(["demo", "docs"]);
  const [demo, docs] = subscriptions;
  await vi.waitFor(() =>
    expect(subscriptions.map((s) => s.status.state)).toEqual(["live", "live"]),
  );
  demo?.close();
  docs?.close();
  const again = subscribe("demo");
  await vi.waitFor(() => expect(again.status.state).toBe("live"));
  await vi.waitFor(() => expect(unfollowed()).toHaveLength(1), 4_000);
  expect(unfollowed()[0]).toMatchObject({ workstream: "docs" });
  // Had it been left, as it was opened again before, it would get nothing.
  await wait(500);
  server.write("demo", new Writer("demo", run).lines(2));
  await vi.waitFor(() => expect(seqs.get("demo")).toEqual([1, 2]));
  expect(unfollowed()).toHaveLength(1);
  expect(client.state).toBe("open");
}, 10_000);

test("50 workstreams on one connection catch up, and none of their requests is refused", async () => {
  const names = Array.from({ length: 50 }, (_, i) => `w-${i}`);
  for (const [i, name] of names.entries()) {
    const lines = new Writer(name, run).lines(5);
    server.write(name, i < 20 ? (lines.filter((_, n) => n !== 2) as LogEvent[]) : lines);
  }
  const { subscriptions, seqs } = follow(names);
  const states = () => subscriptions.map(({ status }) => status.state);
  // A hole in most of them: one more request each.
  await vi.waitFor(
    () => expect(states().every((s) => s === "live" || s === "gap")).toBe(true),
    5_000,
  );
  const asked = () =>
    server.received.filter((m) => m.action === "sendLogs" && m.ranges !== undefined);
  await vi.waitFor(() => expect(asked().length).toBeGreaterThanOrEqual(20), 30_000);
  expect(server.throttled).toBe(0);
  expect(seqs.size).toBe(50);
  expect(server.handshakes).toBe(1);
  // Pings do not wait for what is paced.
  const actions = server.received.map(({ action }) => action);
  expect(actions.indexOf("ping")).toBeLessThan(actions.lastIndexOf("sendLogs"));
}, 40_000);

test.each(["online", "pageshow", "visibilitychange"])(
  "a connection that lets nothing through is stale seconds after %s",
  async (event) => {
    const { client, subscriptions } = follow(["demo"], link.websocketUrl);
    await vi.waitFor(() => expect(subscriptions[0]?.status.state).toBe("live"));
    link.swallow = true;
    page.dispatchEvent(new Event(event));
    const from = performance.now();
    await vi.waitFor(() => expect(client.state).toBe("stale"), 7_000);
    expect(performance.now() - from).toBeGreaterThan(4_000);
    link.swallow = false;
    await vi.waitFor(() => expect(client.state).toBe("open"), 5_000);
  },
  15_000,
);

test("a connection on which lines keep coming is not dead, however late the pong is", async () => {
  const writer = new Writer("demo", run);
  server.write("demo", writer.lines(1));
  const { client, seqs, subscriptions } = follow(["demo"], link.websocketUrl);
  await vi.waitFor(() => expect(subscriptions[0]?.status.state).toBe("live"));
  const states: string[] = [];
  client.on("state", (state) => states.push(state));
  // 320 KB: sixteen seconds, and the pong to the ping of the first ones comes after them.
  link.bytesPerSecond = 20_000;
  server.write(
    "demo",
    writer.lines(320, (n) => `${n} ${"x".repeat(850)}`),
  );
  await vi.waitFor(() => expect(server.received).toContainEqual({ action: "ping" }), 5_000);
  await vi.waitFor(() => expect(seqs.get("demo")).toHaveLength(321), 30_000);
  expect(states).toEqual([]);
  expect(server.handshakes).toBe(1);
}, 40_000);
