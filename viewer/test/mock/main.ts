// A workstream that never ends, to look at the page: `npm run build && npm run mock [port]`.
import { MockServer } from "./server.ts";
import { raw } from "./store.ts";
import { iteration, runAt, Writer } from "./story.ts";

const server = await MockServer.start(["demo", "docs"], Number(process.argv[2] ?? 8787));
const first = new Writer("demo", runAt(Date.now() - 3_600_000), Date.now() - 3_600_000);
const store = server.store("demo");
store.run(first.run, { startedAt: first.now });
store.write([raw(first.run, "worker: image pulled in 4.1 s", first.now), first.start()]);
for (let i = 0; i < 9; i++) store.write(iteration(first, 12_000));
store.write([
  first.event("interrupt", { signal: "SIGTERM" }, "warn"),
  first.end("interrupted", 75, "the task was asked to stop; the work is pushed"),
]);
const second = first.next(Date.now() - 900_000);
store.run(second.run, { startedAt: second.now });
store.write([second.start()]);
for (let i = 0; i < 6; i++) store.write(iteration(second, 12_000));
console.log(server.link());
const pending: ReturnType<typeof iteration> = [];
setInterval(() => {
  second.now = Date.now();
  if (pending.length === 0) pending.push(...iteration(second, 0));
  const event = pending.shift();
  if (event !== undefined)
    server.write("demo", [{ ...event, ts: new Date().toISOString() } as typeof event]);
}, 700);
