import { connect, type Line } from "ralph-logs";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { MockServer } from "../mock/server.ts";
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

function follow(workstream = "demo") {
  const lines: Line[] = [];
  const client = connect({
    url: server.websocketUrl,
    token: ({ workstreams }) => server.token(workstreams),
    signal: stop.signal,
  });
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

test("a cut is mended with a fresh token, and nothing is missing or doubled", async () => {
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
