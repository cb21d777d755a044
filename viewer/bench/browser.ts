// What the page does under load, in a real browser: `npm run build && npm run bench`. One JSON
// object a line: {name, unit, ours, peer, peerName, ratio, goal, met}.
import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import type { Browser, CDPSession, Page } from "playwright-core";
import { build } from "vite";
import { launch } from "../test/browser/launch.ts";
import { MockServer } from "../test/mock/server.ts";
import { runAt, Writer } from "../test/mock/story.ts";

const BURST = 100_000;
const RATE = 1_000;
const SECONDS = Number(process.env.BENCH_SECONDS ?? 60);

function row(name: string, unit: string, ours: number, goal: number): void {
  const met = ours <= goal;
  const value = Math.round(ours * 10) / 10;
  const none = { peer: null, peerName: null, ratio: null };
  console.log(JSON.stringify({ name, unit, ours: value, ...none, goal, met }));
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const quantile = (list: number[], q: number) =>
  [...list].sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * q))] ??
  Infinity;

/** A page that follows a workstream, and a log of its frames. */
async function watch(browser: Browser, server: MockServer) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 820 } });
  await page.goto(server.url);
  await page.waitForFunction(() => document.querySelector("#status")?.textContent === "live");
  await page.evaluate(() => {
    const frames: number[] = [];
    let last = performance.now();
    const tick = (now: number) => {
      frames.push(now - last);
      last = now;
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
    Object.assign(window, { frames });
  });
  const cdp = await page.context().newCDPSession(page);
  return { page, cdp };
}

const framesOf = (page: Page): Promise<number[]> =>
  page.evaluate(() => (window as unknown as { frames: number[] }).frames);

/** MB of JavaScript heap in use, garbage included. */
async function heap(cdp: CDPSession): Promise<number> {
  const { usedSize } = await cdp.send("Runtime.getHeapUsage");
  return usedSize / 1_048_576;
}

const newest = (page: Page): Promise<number> =>
  page.evaluate(() => {
    const rows = document.querySelectorAll<HTMLElement>("[data-key]");
    return Number(rows[rows.length - 1]?.dataset.key?.split("/")[1] ?? 0);
  });

async function burst(browser: Browser): Promise<void> {
  const server = await MockServer.start();
  const writer = new Writer("demo", runAt(Date.now()));
  server.write("demo", writer.lines(10));
  const { page, cdp } = await watch(browser, server);
  const text = (n: number) =>
    `line ${n} of a long and talkative tool that says the same again and again`;
  const start = performance.now();
  for (let sent = 0; sent < BURST; sent += 1_000) {
    server.write("demo", writer.lines(1_000, text));
    // The server's own thread must get to send.
    await sleep(0);
  }
  let most = 0;
  while ((await newest(page)) < BURST + 10) {
    most = Math.max(most, await heap(cdp));
    await sleep(50);
  }
  const took = performance.now() - start;
  await sleep(500);
  let at = 0;
  const late = (await framesOf(page)).filter((ms) => {
    at += ms;
    return at > 1_000;
  });
  row("burst of 100,000 lines: until the last is shown", "ms", took, 15_000);
  row("burst of 100,000 lines: longest frame after the first second", "ms", Math.max(...late), 100);
  if (process.env.BENCH_FRAMES) console.error(late.filter((ms) => ms > 40));
  row("burst of 100,000 lines: largest heap", "MB", Math.max(most, await heap(cdp)), 150);
  await page.close();
  await server.close();
}

async function steady(browser: Browser): Promise<void> {
  const server = await MockServer.start();
  const writer = new Writer("demo", runAt(Date.now()));
  server.write("demo", writer.lines(10));
  const { page, cdp } = await watch(browser, server);
  // In the page: when each newest line was first on the screen. Both clocks are this machine's.
  await page.evaluate(() => {
    const seen: [number, number][] = [];
    let last = 0;
    const look = () => {
      const rows = document.querySelectorAll<HTMLElement>("[data-key]");
      const seq = Number(rows[rows.length - 1]?.dataset.key?.split("/")[1] ?? 0);
      if (seq !== last) seen.push([seq, Date.now()]);
      last = seq;
      requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
    Object.assign(window, { seen });
  });
  const written = new Map<number, number>();
  const clicks: number[] = [];
  const start = Date.now();
  for (let tick = 0; tick < SECONDS * 20; tick++) {
    const due = start + tick * 50;
    await sleep(Math.max(0, due - Date.now()));
    server.write("demo", writer.lines(RATE / 20));
    written.set(writer.seq, Date.now());
    if (tick % 100 === 50) {
      const before = performance.now();
      await page.evaluate(
        () =>
          new Promise((resolve) => {
            document.querySelector<HTMLElement>("#time")?.click();
            requestAnimationFrame(resolve);
          }),
      );
      clicks.push(performance.now() - before);
    }
  }
  await sleep(1_000);
  const seen = await page.evaluate(() => (window as unknown as { seen: [number, number][] }).seen);
  const delays: number[] = [];
  for (const [seq, at] of written) {
    const shown = seen.find(([other]) => other >= seq);
    delays.push(shown === undefined ? Infinity : shown[1] - at);
  }
  row(
    `${RATE} lines/s for ${SECONDS} s: newest line on screen, p99`,
    "ms",
    quantile(delays, 0.99),
    250,
  );
  row(
    `${RATE} lines/s for ${SECONDS} s: newest line on screen, p50`,
    "ms",
    quantile(delays, 0.5),
    250,
  );
  row(
    `${RATE} lines/s for ${SECONDS} s: a click is answered, slowest`,
    "ms",
    Math.max(...clicks),
    250,
  );
  row(`${RATE} lines/s for ${SECONDS} s: heap afterwards`, "MB", await heap(cdp), 150);
  await page.close();
  await server.close();
}

/** The client alone, minified and compressed, as a front end that imports it ships it. */
async function sizes(): Promise<void> {
  const entry = new URL("../client/src/index.ts", import.meta.url).pathname;
  const built = await build({
    configFile: false,
    logLevel: "silent",
    build: { write: false, target: "es2023", lib: { entry, formats: ["es"], fileName: "index" } },
  });
  const [output] = Array.isArray(built) ? built : [built];
  const code = (output as { output: { code: string }[] }).output[0]?.code ?? "";
  row("client package, minified and gzipped", "KB", gzipSync(code).length / 1_024, 10);
  const assets = new URL("../dist/assets/", import.meta.url);
  const page = readdirSync(assets).map(
    (name) => gzipSync(readFileSync(new URL(name, assets))).length,
  );
  row("page, scripts and styles gzipped", "KB", page.reduce((a, b) => a + b, 0) / 1_024, 100);
}

await sizes();
const browser = await launch();
try {
  await burst(browser);
  await steady(browser);
} finally {
  await browser.close();
}
