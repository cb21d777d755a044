import { connect, type LogEvent } from "ralph-logs";
import { afterAll, beforeAll, expect, type TestContext, test, vi } from "vitest";
import { Connection } from "../../client/src/connection.ts";
import type { Subscription } from "../../client/src/subscription.ts";
import { Link } from "../mock/link.ts";
import { MockServer } from "../mock/server.ts";
import { runAt, Writer } from "../mock/story.ts";

// What a connection sends, and when it counts as dead: the client against a server with the limits of
// the real one, over links as they are.

const run = runAt(1_790_000_000_000);
/** The browser's events of coming back; every client of this file hears them. */
const page = new EventTarget();
beforeAll(() => {
  vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
  vi.stubGlobal("removeEventListener", page.removeEventListener.bind(page));
});
afterAll(() => {
  vi.unstubAllGlobals();
});

/** A server, a link to it, and a client of either; they end with the test. */
async function setUp({ onTestFinished }: TestContext) {
  const server = await MockServer.start();
  const link = await Link.start(server.port);
  const stop = new AbortController();
  onTestFinished(async () => {
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
  return { server, link, follow };
}
const pings = (server: MockServer) => server.received.filter(({ action }) => action === "ping");
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test.concurrent("a workstream that is closed is left a moment later, and one that is opened again is not", async (context) => {
  const { server, follow } = await setUp(context);
  const unfollowed = () =>
    server.received.filter((m) => m.action === "sendLogs" && m.follow === false);
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

test.concurrent("50 workstreams on one connection catch up, and none of their requests is refused", async (context) => {
  const { server, follow } = await setUp(context);
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
  const paced = actions.slice(actions.indexOf("ping") + 1, actions.lastIndexOf("sendLogs"));
  expect(paced).toContain("ping");
}, 40_000);

test.concurrent("a connection that lets nothing through is stale seconds after it could be back", async (context) => {
  const { server, link, follow } = await setUp(context);
  const { client, subscriptions } = follow(["demo"], link.websocketUrl);
  await vi.waitFor(() => expect(subscriptions[0]?.status.state).toBe("live"));
  for (const event of ["pageshow", "visibilitychange"]) {
    // Of two pings within a second, the other one would wait.
    await wait(1_000);
    const before = pings(server).length;
    page.dispatchEvent(new Event(event));
    await vi.waitFor(() => expect(pings(server).length).toBeGreaterThan(before), 2_000);
  }
  link.swallow = true;
  page.dispatchEvent(new Event("online"));
  await vi.waitFor(() => expect(client.state).toBe("stale"), 8_000);
  link.swallow = false;
  await vi.waitFor(() => expect(client.state).toBe("open"), 5_000);
}, 20_000);

test.concurrent("a network that comes and goes does not make the client hurry", async (context) => {
  const { follow } = await setUp(context);
  // Nobody listens on this port.
  const { client } = follow(["demo"], "ws://127.0.0.1:1");
  let attempts = 0;
  client.on("failed", () => attempts++);
  const storm = setInterval(() => page.dispatchEvent(new Event("online")), 50);
  try {
    await vi.waitFor(() => expect(client.state).toBe("unreachable"), 10_000);
  } finally {
    clearInterval(storm);
  }
  expect(attempts).toBeLessThan(6);
}, 15_000);

test.concurrent("a connection on which nothing comes after the handshake is stale in seconds", async (context) => {
  const { server, follow } = await setUp(context);
  Object.assign(server, { delay: 10_000, deaf: true });
  const { client } = follow(["demo"]);
  await vi.waitFor(() => expect(client.state).toBe("open"));
  await vi.waitFor(() => expect(client.state).toBe("stale"), 7_000);
}, 15_000);

test.concurrent("a connection on which lines keep coming is not dead, however late the pong is", async (context) => {
  const { server, link, follow } = await setUp(context);
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
  page.dispatchEvent(new Event("online"));
  await vi.waitFor(() => expect(seqs.get("demo")).toHaveLength(321), 30_000);
  expect(states).toEqual([]);
  expect(server.handshakes).toBe(1);
}, 40_000);

/** A connection on a socket that takes everything, and what it sent. */
function alone() {
  const sent: string[] = [];
  const socket = Object.assign(new EventTarget(), {
    readyState: 1,
    send: (text: string) => sent.push(JSON.parse(text).workstream ?? "ping"),
    close: () => {},
  });
  const dead = vi.fn();
  return { sent, dead, connection: new Connection(socket as unknown as WebSocket, dead) };
}

test("pings within a second are one, and a pong is for those whose ping it answers", () => {
  vi.useFakeTimers();
  try {
    const { connection, sent } = alone();
    const [a, b, c] = ["a", "b", "c"] as unknown as [Subscription, Subscription, Subscription];
    connection.ping(a);
    connection.ping(b);
    vi.advanceTimersByTime(300);
    connection.ping(c);
    expect(sent).toEqual(["ping"]);
    expect([...connection.pong()]).toEqual([a]);
    vi.advanceTimersByTime(700);
    expect(sent).toEqual(["ping", "ping"]);
    expect([...connection.pong()]).toEqual([b, c]);
    connection.close();
  } finally {
    vi.useRealTimers();
  }
});

test("50 messages go at once, then two a second in order; what nobody waits for does not go", () => {
  vi.useFakeTimers();
  try {
    const { connection, sent } = alone();
    const names = Array.from({ length: 200 }, (_, i) => `w-${i}`);
    let wanted = true;
    for (const workstream of names) {
      connection.send({ action: "sendLogs", workstream }, () => wanted || workstream !== "w-52");
    }
    expect(sent).toEqual(names.slice(0, 50));
    vi.advanceTimersByTime(1_000);
    expect(sent).toEqual(names.slice(0, 52));
    wanted = false;
    vi.advanceTimersByTime(500);
    expect(sent.at(-1)).toBe("w-53");
    // After 35 seconds the rules have asked again.
    vi.advanceTimersByTime(60_000);
    expect(sent).toHaveLength(50 + 69);
    connection.close();
  } finally {
    vi.useRealTimers();
  }
});
