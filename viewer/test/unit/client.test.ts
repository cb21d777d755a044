import {
  type ClientOptions,
  connect,
  DeniedError,
  type Line,
  type LogEvent,
  type TokenRequest,
  placeOf,
  runAttempt,
} from "ralph-logs";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { MockServer } from "../mock/server.ts";
import { raw } from "../mock/store.ts";
import { runAt, Writer } from "../mock/story.ts";

let server: MockServer;
let stop: AbortController;
beforeEach(async () => {
  server = await MockServer.start();
  stop = new AbortController();
});
afterEach(async () => {
  stop.abort();
  await server.close();
});

const run = runAt(1_790_000_000_000);

/** Options that fit the server. */
const options = (): ClientOptions => ({
  url: server.websocketUrl,
  token: ({ workstreams }) => server.token(workstreams),
  signal: stop.signal,
});
function follow(workstream = "demo") {
  const lines: Line[] = [];
  const client = connect(options());
  const subscription = client.subscribe(workstream);
  subscription.on("lines", (batch) => {
    lines.push(...batch);
  });
  return { client, subscription, seqs: () => lines.map((line) => line.seq) };
}
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

test("the newest lines and what follows are shown once, in order", async () => {
  const writer = new Writer("demo", run);
  server.store("demo").write(writer.lines(30));
  const { subscription, seqs } = follow();
  await vi.waitFor(() => expect(seqs()).toEqual(upTo(30)));
  expect(subscription.status.state).toBe("live");
  server.write("demo", writer.lines(5));
  await vi.waitFor(() => expect(seqs()).toEqual(upTo(35)));
});

test("after a cut the client reconnects with a fresh token, and nothing is missing or duplicated", async () => {
  const writer = new Writer("demo", run);
  server.write("demo", writer.lines(10));
  const { subscription, seqs } = follow();
  await vi.waitFor(() => expect(seqs()).toEqual(upTo(10)));
  server.cut();
  server.write("demo", writer.lines(10));
  await vi.waitFor(() => expect(subscription.status.state).toBe("stale"));
  await vi.waitFor(() => expect(seqs()).toEqual(upTo(20)), 5_000);
  expect(server.handshakes).toBe(2);
  expect(subscription.status.state).toBe("live");
});

test("a workstream that nobody has seen yet is live and empty", async () => {
  const { subscription, seqs } = follow();
  await vi.waitFor(() => expect(subscription.status.state).toBe("live"));
  const writer = new Writer("demo", run);
  server.write("demo", writer.lines(3));
  await vi.waitFor(() => expect(seqs()).toEqual(upTo(3)));
});

test("three refused handshakes are a denial; the next token that works ends it", async () => {
  server.refuse = 3;
  server.write("demo", new Writer("demo", run).lines(1));
  const { client, subscription, seqs } = follow();
  await vi.waitFor(() => expect(client.state).toBe("denied"), 10_000);
  expect(subscription.status.state).toBe("denied");
  expect(server.handshakes).toBe(3);
  client.retry();
  await vi.waitFor(() => expect(seqs()).toEqual([1]));
  expect(subscription.status.state).toBe("live");
});

test("an aborted signal closes everything", async () => {
  const { client, subscription } = follow();
  await vi.waitFor(() => expect(server.connections).toBe(1));
  stop.abort();
  await vi.waitFor(() => expect(server.connections).toBe(0));
  expect(client.state).toBe("closed");
  expect(subscription.status.state).toBe("closed");
  expect(() => client.subscribe("other")).toThrow("closed");
});

test("lines can be taken with `for await`", async () => {
  const writer = new Writer("demo", run);
  server.write("demo", writer.lines(3));
  const { client, subscription } = follow();
  const seen: number[] = [];
  for await (const lines of subscription) {
    seen.push(...lines.map((line) => line.seq));
    if (seen.length === 3) server.write("demo", writer.lines(2));
    if (seen.length === 5) client.close();
  }
  expect(seen).toEqual(upTo(5));
});

test("frames that come faster than the page takes them are dropped, and asked for later", async () => {
  const writer = new Writer("demo", run);
  const seqs: number[] = [];
  const client = connect({
    url: server.websocketUrl,
    token: ({ workstreams }) => server.token(workstreams),
    signal: stop.signal,
    maxQueuedBytes: 40_000,
  });
  const subscription = client.subscribe("demo");
  let slow = true;
  subscription.on("lines", async (lines) => {
    seqs.push(...lines.map((line) => line.seq));
    if (slow) await new Promise((resolve) => setTimeout(resolve, 300));
  });
  await vi.waitFor(() => expect(subscription.status.state).toBe("live"));
  for (let i = 0; i < 20; i++) server.write("demo", writer.lines(100));
  await vi.waitFor(() => expect(seqs.length).toBeGreaterThan(0));
  slow = false;
  await vi.waitFor(() => expect(new Set(seqs).size).toBe(2_000), 20_000);
  expect(seqs.length).toBe(2_000);
  const ranges = server.received.filter((m) => m.action === "sendLogs" && m.ranges !== undefined);
  expect(ranges.length, "nothing was dropped").toBeGreaterThan(0);
  expect(subscription.status).toMatchObject({ state: "live", pending: 0, lost: 0 });
}, 30_000);

test("a workstream that is closed and opened again takes no answer to the earlier page for its own", async () => {
  server.write("demo", new Writer("demo", run).lines(1_000));
  server.delay = 200;
  const client = connect({ ...options(), workstreams: ["demo", "docs"] });
  client.subscribe("docs");
  const first = client.subscribe("demo", { limit: 200 });
  await vi.waitFor(() =>
    expect(server.received.map((m) => "workstream" in m && m.workstream)).toContain("demo"),
  );
  first.close();
  const seqs: number[] = [];
  const caughtUp = vi.fn();
  const again = client.subscribe("demo");
  again.on("lines", (lines) => seqs.push(...lines.map((line) => line.seq)));
  again.on("caughtUp", caughtUp);
  await vi.waitFor(() => expect(seqs.length).toBe(1_000), 5_000);
  expect(seqs).toEqual(upTo(1_000));
  expect(caughtUp).toHaveBeenCalledTimes(1);
});

test.each([
  ["that is not JSON", "oops"],
  ["that is not an object", "null"],
  ["that is a list", "[]"],
  ["without its events", '{"type":"logs","workstream":"demo"}'],
  ["with a run that is null", '{"type":"runs","workstream":"demo","runs":[null]}'],
  [
    "with a raw line whose part is a number",
    `{"type":"logs","workstream":"demo","source":"live","events":[{"type":"raw","run":"${run}","stream":"s","ts":1,"text":"","part":5}]}`,
  ],
])("a frame %s does not keep the next ones from view", async (_, frame) => {
  const seen = vi.spyOn(console, "error").mockImplementation(() => {});
  const writer = new Writer("demo", run);
  server.write("demo", writer.lines(2));
  const { subscription, seqs } = follow();
  await vi.waitFor(() => expect(subscription.status.state).toBe("live"));
  server.frame(frame);
  server.write("demo", writer.lines(2));
  await vi.waitFor(() => expect(seqs().filter((seq) => seq > 0)).toEqual(upTo(4)));
  expect(subscription.status).toMatchObject({ state: "live", pending: 0, lost: 0 });
  seen.mockRestore();
});

test("a wall clock that is set back an hour stops no ping", async () => {
  const { subscription } = follow();
  await vi.waitFor(() => expect(subscription.status.state).toBe("live"));
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() - 3_600_000 });
  try {
    // The first one belongs to the connection's beginning.
    const pings = () => server.received.filter(({ action }) => action === "ping");
    await vi.waitFor(() => expect(pings()).toHaveLength(2), 6_000);
  } finally {
    vi.useRealTimers();
  }
}, 10_000);

test("a wall clock that is set ahead an hour loses no line and declares nothing dead", async () => {
  const writer = new Writer("demo", run);
  server.write("demo", writer.lines(1));
  const { subscription, seqs } = follow();
  await vi.waitFor(() => expect(subscription.status.state).toBe("live"));
  const [late, next] = writer.lines(2) as [LogEvent, LogEvent];
  server.write("demo", [next]);
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 3_600_000 });
  try {
    const asked = () => server.received.some((m) => m.action === "sendLogs" && m.ranges);
    await vi.waitFor(() => expect(asked()).toBe(true), 6_000);
    await vi.waitFor(() => expect(seqs()).toEqual([1, 3]), 6_000);
    expect(subscription.status).toMatchObject({ state: "gap", pending: 1, lost: 0 });
    server.store("demo").write([late]);
    await vi.waitFor(() => expect(seqs()).toEqual([1, 3, 2]), 6_000);
    expect(server.handshakes).toBe(1);
  } finally {
    vi.useRealTimers();
  }
}, 20_000);

test("a second workstream that the token does not name brings a new connection, unseen", async () => {
  const one = new Writer("demo", run);
  server.write("demo", one.lines(3));
  server.write("docs", new Writer("docs", run).lines(2));
  const { client, subscription, seqs } = follow();
  await vi.waitFor(() => expect(seqs()).toEqual(upTo(3)));
  const states: string[] = [];
  subscription.on("status", ({ state }) => states.push(state));
  const docs: number[] = [];
  client.subscribe("docs").on("lines", (lines) => docs.push(...lines.map((line) => line.seq)));
  await vi.waitFor(() => expect(docs).toEqual([1, 2]));
  server.write("demo", one.lines(3));
  await vi.waitFor(() => expect(seqs()).toEqual(upTo(6)));
  expect(states).not.toContain("stale");
  expect(server.handshakes).toBe(2);
});

test("a workstream outside the scope is denied, and the others go on", async () => {
  server.write("demo", new Writer("demo", run).lines(1));
  const client = connect({
    url: server.websocketUrl,
    token: () => server.token(["demo"]),
    signal: stop.signal,
  });
  const demo = client.subscribe("demo");
  const other = client.subscribe("other");
  const refused = vi.fn();
  other.on("refused", refused);
  await vi.waitFor(() => expect(other.status.state).toBe("denied"));
  expect(refused).toHaveBeenCalledWith({
    code: "forbidden",
    message: "the token does not cover other",
  });
  await vi.waitFor(() => expect(demo.status.state).toBe("live"));
});

test("a workstream that is denied later leaves the others as they are", async () => {
  server.write("demo", new Writer("demo", run).lines(1));
  const client = connect({
    url: server.websocketUrl,
    token: ({ workstreams }) => {
      if (workstreams.includes("other")) throw new DeniedError("not yours");
      return server.token(workstreams);
    },
    signal: stop.signal,
  });
  const demo = client.subscribe("demo");
  await vi.waitFor(() => expect(demo.status.state).toBe("live"));
  const other = client.subscribe("other");
  await vi.waitFor(() => expect(other.status.state).toBe("denied"));
  expect(demo.status.state).toBe("live");
  expect(client.state).toBe("open");
});

test("a token function that says denied is believed at once", async () => {
  const client = connect({
    url: server.websocketUrl,
    token: () => {
      throw new DeniedError("not signed in");
    },
    signal: stop.signal,
  });
  const failed = vi.fn();
  client.on("failed", failed);
  client.subscribe("demo");
  await vi.waitFor(() => expect(client.state).toBe("denied"));
  expect(failed.mock.calls[0]?.[0].error.message).toBe("not signed in");
  expect(server.handshakes).toBe(0);
});

test("a token endpoint that is down is not a denial: the client says why and tries again", async () => {
  server.write("demo", new Writer("demo", run).lines(1));
  let down = 4;
  const client = connect({
    url: server.websocketUrl,
    token: ({ workstreams }) => {
      if (down-- > 0) throw new Error("the token endpoint answered 503");
      return server.token(workstreams);
    },
    signal: stop.signal,
  });
  const states: string[] = [];
  const reasons: string[] = [];
  client.on("state", (state) => states.push(state));
  client.on("failed", ({ error }) => {
    reasons.push((error as Error).message);
    client.retry();
  });
  const subscription = client.subscribe("demo");
  const first = await new Promise<Line[]>((resolve) => subscription.on("lines", resolve));
  expect(first.length).toBe(1);
  expect(reasons).toEqual(Array(4).fill("the token endpoint answered 503"));
  expect(states).toEqual(["open"]);
});

test.each([
  ["token", { token: () => new Promise<string>(() => {}) }],
  ["address", { url: () => new Promise<string>(() => {}) }],
])("a function that never gives its %s has 15 seconds, and is asked again", async (what, never) => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  try {
    const reasons: string[] = [];
    const client = connect({ ...options(), ...never });
    client.on("failed", ({ error }) => reasons.push((error as Error).message));
    const subscription = client.subscribe("demo");
    await vi.advanceTimersByTimeAsync(14_900);
    expect(reasons).toEqual([]);
    await vi.advanceTimersByTimeAsync(200);
    expect(reasons).toEqual([`no ${what} after 15 s`]);
    await vi.advanceTimersByTimeAsync(40_000);
    expect(reasons).toHaveLength(3);
    expect(client.state).toBe("unreachable");
    expect(subscription.status.state).toBe("unreachable");
  } finally {
    vi.useRealTimers();
  }
});

test("a token function's signal is aborted when its time is up, and when the client is closed", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  try {
    const signals: AbortSignal[] = [];
    const token = ({ signal }: TokenRequest) => {
      signals.push(signal);
      return new Promise<string>(() => {});
    };
    const client = connect({ ...options(), token });
    client.subscribe("demo");
    await vi.advanceTimersByTimeAsync(16_000);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
    client.close();
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
  } finally {
    vi.useRealTimers();
  }
});

test("a gateway that is down is unreachable, not a denial, and found when it is back", async () => {
  const { port } = server;
  await server.close();
  const { client, subscription, seqs } = follow();
  const states: string[] = [];
  const reasons = new Set<string>();
  client.on("state", (state) => states.push(state));
  client.on("failed", ({ error }) => reasons.add((error as Error).message));
  await vi.waitFor(() => expect(client.state).toBe("unreachable"), 10_000);
  expect(subscription.status.state).toBe("unreachable");
  expect([...reasons]).toEqual(["the gateway cannot be reached"]);
  server = await MockServer.start(["demo"], port);
  server.write("demo", new Writer("demo", run).lines(1));
  client.retry();
  await vi.waitFor(() => expect(seqs()).toEqual([1]), 10_000);
  expect(states).toEqual(["unreachable", "open"]);
}, 30_000);

test("a function that gives the address is asked for each connection: a gateway may move", async () => {
  const next = await MockServer.start();
  try {
    const writer = new Writer("demo", run);
    server.write("demo", writer.lines(2));
    let gateway = server;
    const seqs: number[] = [];
    const client = connect({
      url: async () => gateway.websocketUrl,
      token: ({ workstreams }) => gateway.token(workstreams),
      signal: stop.signal,
    });
    client.subscribe("demo").on("lines", (lines) => seqs.push(...lines.map(({ seq }) => seq)));
    await vi.waitFor(() => expect(seqs).toEqual([1, 2]));
    gateway = next;
    server.cut();
    await vi.waitFor(() => expect(next.connections).toBe(1), 5_000);
    next.write("demo", writer.lines(1));
    await vi.waitFor(() => expect(seqs).toEqual([1, 2, 3]), 5_000);
  } finally {
    stop.abort();
    await next.close();
  }
});

test("attempts at the next connection keep their distances while the old one brings lines", async () => {
  const writer = new Writer("demo", run);
  let tokens = 0;
  vi.useFakeTimers({
    toFake: ["setTimeout", "clearTimeout", "performance"],
    shouldAdvanceTime: true,
  });
  try {
    const client = connect({
      url: server.websocketUrl,
      token: ({ workstreams }) => {
        if (tokens++ > 0) throw new Error("the token endpoint answered 503");
        return server.token(workstreams);
      },
      signal: stop.signal,
    });
    const lines = vi.fn();
    const demo = client.subscribe("demo");
    demo.on("lines", lines);
    await vi.waitFor(() => expect(demo.status.state).toBe("live"), 10_000);
    // Outside the token's scope: a second connection is wanted.
    client.subscribe("docs");
    for (let i = 0; i < 600; i++) {
      server.write("demo", writer.lines(1));
      for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
      await vi.advanceTimersByTimeAsync(100);
    }
    expect(lines.mock.calls.length).toBeGreaterThan(100);
    // 0.5, 1, 2, 4, 8, 15 and 30 s, each ± 50 %.
    expect(tokens).toBeGreaterThan(4);
    expect(tokens).toBeLessThan(12);
  } finally {
    vi.useRealTimers();
  }
}, 30_000);

test("a token is asked for 50 workstreams at most, those that are followed first", async () => {
  const asked = new Promise<string[]>((resolve) => {
    const client = connect({
      url: server.websocketUrl,
      token: ({ workstreams }) => {
        resolve(workstreams);
        return server.token(workstreams);
      },
      workstreams: Array.from({ length: 60 }, (_, i) => `early-${i}`),
      signal: stop.signal,
    });
    client.subscribe("demo");
  });
  expect(await asked).toEqual(["demo", ...Array.from({ length: 49 }, (_, i) => `early-${i}`)]);
});

test("a line has one place, whatever the order in which lines come", () => {
  const at = (seq: number, ts: number, attempt = 1): Line => ({
    run: runAt(1_790_000_000_000, attempt),
    seq,
    ts,
    event: raw(run, ""),
  });
  const list: Line[] = [];
  const all = [at(3, 30), at(1, 10), at(1, 5, 2), at(0, 25), at(2, 20), at(0, 99)];
  for (const line of all) list.splice(placeOf(list, line), 0, line);
  expect(list.map(({ run, seq, ts }) => [runAttempt(run), seq, ts])).toEqual([
    [1, 1, 10],
    [1, 2, 20],
    [1, 0, 25],
    [1, 3, 30],
    [1, 0, 99],
    [2, 1, 5],
  ]);
});

test("numbers decide about the place, even if the clock went back", () => {
  const at = (seq: number, ts: number): Line => ({ run, seq, ts, event: raw(run, "") });
  const list: Line[] = [];
  for (const line of [at(4, 40), at(0, 41), at(6, 39), at(5, 50)]) {
    list.splice(placeOf(list, line), 0, line);
  }
  expect(list.map(({ seq }) => seq)).toEqual([4, 5, 6, 0]);
});

test("a connection that no longer answers is given up and made again", async () => {
  const writer = new Writer("demo", run);
  server.write("demo", writer.lines(2));
  vi.useFakeTimers({
    toFake: ["setTimeout", "clearTimeout", "performance"],
    shouldAdvanceTime: true,
  });
  try {
    const { subscription, seqs } = follow();
    await vi.waitFor(() => expect(seqs()).toEqual(upTo(2)));
    server.deaf = true;
    await vi.advanceTimersByTimeAsync(4_000);
    await vi.waitFor(() => expect(server.received.at(-1)).toEqual({ action: "ping" }));
    await vi.advanceTimersByTimeAsync(10_100);
    expect(subscription.status.state).not.toBe("live");
    server.deaf = false;
    await vi.advanceTimersByTimeAsync(2_000);
    await vi.waitFor(() => expect(subscription.status.state).toBe("live"));
    expect(server.handshakes).toBe(2);
  } finally {
    vi.useRealTimers();
  }
});

test("a client that is closed while one connection takes over from another closes both at once", async () => {
  const { client, subscription } = follow();
  await vi.waitFor(() => expect(subscription.status.state).toBe("live"));
  const docs = client.subscribe("docs");
  await vi.waitFor(() => expect(docs.status.state).toBe("live"));
  expect(server.connections).toBe(2);
  client.close();
  await vi.waitFor(() => expect(server.connections).toBe(0), 2_000);
});

test("before two hours are over the next connection takes over, and nobody sees it", async () => {
  const writer = new Writer("demo", run);
  server.write("demo", writer.lines(2));
  vi.useFakeTimers({
    toFake: ["setTimeout", "clearTimeout", "performance"],
    shouldAdvanceTime: true,
  });
  try {
    const { subscription, seqs } = follow();
    await vi.waitFor(() => expect(subscription.status.state).toBe("live"));
    const states = new Set<string>();
    subscription.on("status", ({ state }) => states.add(state));
    for (let seconds = 0; seconds < 111 * 60; seconds += 5) {
      await vi.advanceTimersByTimeAsync(5_000);
      // The network is real: let the answers come in.
      for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
    await vi.waitFor(() => expect(server.handshakes).toBe(2));
    server.write("demo", writer.lines(2));
    await vi.waitFor(() => expect(seqs()).toEqual(upTo(4)));
    await vi.advanceTimersByTimeAsync(6_000);
    await vi.waitFor(() => expect(server.connections).toBe(1));
    expect(states).not.toContain("stale");
  } finally {
    vi.useRealTimers();
  }
}, 30_000);
