// What the page does under load, in a real browser: `npm run build && npm run bench`. One JSON
// object a line: {name, unit, ours, peer, peerName, ratio, goal, met}.
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import type { Browser, Page } from "playwright-core";
import { launch } from "../test/browser/launch.ts";
import { heap, longestFrame, noteFrames, quantile, row, sleep } from "./rows.ts";
import { bundle, installPeers, ours, reactLogviewer, type Subject } from "./subjects.ts";

const BURST = 100_000;
/** How long a burst may take at most; a peer may never be done. */
const PATIENCE_MS = 60_000;
const RATE = 1_000;
const SECONDS = Number(process.env.BENCH_SECONDS ?? 60);

async function watch(browser: Browser, subject: Subject) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 820 } });
  await page.goto(subject.url);
  // Not `waitForFunction`, which evaluates text in the page: the page's policy forbids it.
  while (!(await page.evaluate(subject.ready))) await sleep(50);
  await noteFrames(page);
  return { page, cdp: await page.context().newCDPSession(page) };
}

const newest = (page: Page, subject: Subject): Promise<number> => page.evaluate(subject.newest);

interface Burst {
  took: number;
  frame: number;
  heap: number;
}

async function burst(browser: Browser, subject: Subject): Promise<Burst> {
  const { page, cdp } = await watch(browser, subject);
  const start = performance.now();
  let last = 0;
  for (let sent = 0; sent < BURST; sent += 1_000) {
    last = subject.write(1_000);
    // The server's own thread must get to send.
    await sleep(0);
  }
  let most = 0;
  while ((await newest(page, subject)) < last && performance.now() - start < PATIENCE_MS) {
    most = Math.max(most, await heap(cdp));
    await sleep(50);
  }
  const took = performance.now() - start;
  await sleep(500);
  const frame = await longestFrame(page);
  most = Math.max(most, await heap(cdp));
  await page.close();
  await subject.close();
  return { took, frame, heap: most };
}

async function steady(browser: Browser, subject: Subject, click?: () => void) {
  const { page, cdp } = await watch(browser, subject);
  // In the page: when each newest line was first on the screen. Both clocks are this machine's.
  await page.evaluate(`(() => {
    const seen = [];
    let last = 0;
    const note = () => {
      const seq = ${subject.newest};
      if (seq !== last) seen.push([seq, Date.now()]);
      last = seq;
      requestAnimationFrame(note);
    };
    requestAnimationFrame(note);
    Object.assign(window, { seen });
  })()`);
  const written = new Map<number, number>();
  const clicks: number[] = [];
  const start = Date.now();
  for (let tick = 0; tick < SECONDS * 20; tick++) {
    await sleep(Math.max(0, start + tick * 50 - Date.now()));
    written.set(subject.write(RATE / 20), Date.now());
    if (click !== undefined && tick % 100 === 50) {
      const before = performance.now();
      await page.evaluate(click);
      await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(resolve)));
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
  const result = { delays, clicks, heap: await heap(cdp), frame: await longestFrame(page) };
  await page.close();
  await subject.close();
  return result;
}

/** What a front end ships, minified and compressed. */
async function sizes(): Promise<void> {
  const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
  const kilobytes = async (entry: string) => gzipSync(await bundle(path(entry))).length / 1_024;
  row("client package, minified and gzipped", "KB", await kilobytes("../client/src/index.ts"), 10, {
    name: "@aws-sdk/client-cloudwatch-logs, StartLiveTail",
    value: await kilobytes("peers/live-tail.js"),
  });
  const assets = new URL("../dist/assets/", import.meta.url);
  const page = readdirSync(assets).map(
    (name) => gzipSync(readFileSync(new URL(name, assets))).length,
  );
  const value = await kilobytes("peers/react-logviewer.jsx");
  const peer = { name: "@melloware/react-logviewer with React", value };
  row("page, scripts and styles gzipped", "KB", page.reduce((a, b) => a + b, 0) / 1_024, 100, peer);
}

installPeers();
await sizes();
const browser = await launch();
try {
  const us = await burst(browser, await ours());
  const other = await reactLogviewer();
  const { name } = other;
  const them = await burst(browser, other);
  const givenUp = them.took >= PATIENCE_MS ? `${name}, given up` : name;
  const what = `burst of ${BURST.toLocaleString("en")} lines`;
  row(`${what}: until the last is shown`, "ms", us.took, 15_000, {
    name: givenUp,
    value: them.took,
  });
  const frame = { name, value: them.frame };
  row(`${what}: longest frame after the first second`, "ms", us.frame, 100, frame);
  row(`${what}: largest heap`, "MB", us.heap, 150, { name, value: them.heap });

  const toggle = () => document.querySelector<HTMLElement>("#time")?.click();
  const our = await steady(browser, await ours(), toggle);
  const their = await steady(browser, await reactLogviewer());
  const rate = `${RATE} lines/s for ${SECONDS} s`;
  for (const q of [0.99, 0.5]) {
    const value = quantile(their.delays, q);
    const words = `${rate}: newest line on screen, p${q * 100}`;
    row(words, "ms", quantile(our.delays, q), 250, { name, value });
  }
  row(`${rate}: a click is answered, slowest`, "ms", Math.max(...our.clicks), 250);
  row(`${rate}: longest frame`, "ms", our.frame, 250, { name, value: their.frame });
  row(`${rate}: heap afterwards`, "MB", our.heap, 150, { name, value: their.heap });
} finally {
  await browser.close();
}
