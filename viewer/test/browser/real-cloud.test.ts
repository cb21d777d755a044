import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { raw } from "../mock/store.ts";
import { iteration, runAt, Writer } from "../mock/story.ts";
import { Cloud } from "./cloud.ts";
import { launch } from "./launch.ts";
import { Link } from "./link.ts";
import { badge, empty, lastKey, log } from "./mocked.ts";
import { drawn, held, isAccessible, isState, type Opened, open } from "./page.ts";

// The page, the real functions and the local cloud, with IAM enforced: lines go in where a task's
// go in, as log events, and come out in a real browser. RALPH_CLOUD is the cloud's `cloud.json`,
// RALPH the program that serves the page.

const cloud = new Cloud(process.env.RALPH_CLOUD as string, process.env.RALPH as string);
let browser: Browser;
let opened: Opened | undefined;
let link: Link | undefined;

beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser?.close());
afterEach(async () => {
  const faults = opened?.faults ?? [];
  await opened?.context.close();
  opened = undefined;
  await cloud.close();
  await link?.close();
  link = undefined;
  expect(faults).toEqual([]);
});

let n = 0;
/** A workstream of its own for each test. */
function workstream() {
  const name = `real-${process.pid}-${++n}`;
  const writer = new Writer(name, runAt(Date.now()));
  const stream = crypto.randomUUID().replaceAll("-", "");
  const write = (events: ReturnType<Writer["lines"]>) => cloud.write(stream, events);
  return { name, writer, run: writer.run, write };
}

type Prepare = (page: Page) => Promise<unknown>;

/** Its page, which reaches the cloud over the link if there is one. */
async function look(name: string, prepare: Prepare = async () => {}) {
  opened = await open(browser, "about:blank");
  const { page, context } = opened;
  await prepare(page);
  await page.goto(await cloud.view(name, link?.endpoint));
  return { page, context };
}

/** Both. */
async function begin(prepare?: Prepare) {
  const made = workstream();
  return { ...made, ...(await look(made.name, prepare)) };
}

test("lines are shown as they come; scrolling up pauses, and the badge leads back", async () => {
  const { page, run, write, writer } = await begin();
  await isState(page, /^live$/);
  await write([writer.start(), ...writer.lines(200)]);
  await expect.poll(() => lastKey(page)).toBe(`${run}/201`);
  await page.locator(log).hover();
  await page.mouse.wheel(0, -2_000);
  await isState(page, /^paused$/);
  await write(writer.lines(30));
  await expect.poll(() => page.locator(badge).textContent()).toBe("↓ 30 new");
  await page.locator(badge).click();
  await expect.poll(() => lastKey(page)).toBe(`${run}/231`);
  const seqs = (await held(page)).map((event) => event.seq);
  expect(seqs).toEqual(Array.from({ length: 231 }, (_, i) => i + 1));
});

test("a filter finds in what is held and in what comes", async () => {
  const { page, run, write, writer } = await begin();
  await write([writer.start(), ...iteration(writer), ...iteration(writer)]);
  await isState(page, /^live$/);
  await page.locator("#regex").click();
  await page.locator("#filter").fill("tests? (pass|fail)");
  await expect.poll(async () => (await drawn(page)).length).toBe(2);
  await write(iteration(writer));
  await expect.poll(async () => (await drawn(page)).length).toBe(3);
  await expect.poll(() => page.locator("mark").count()).toBe(3);
  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
  // An iteration ends with what was spent, which is not a line.
  await expect.poll(() => lastKey(page)).toBe(`${run}/${writer.seq - 1}`);
  await isAccessible(page);
});

test("the page is served under a strict policy, which nothing on it violates", async () => {
  const { page, writer, write } = await begin();
  await write([writer.start(), ...iteration(writer), ...iteration(writer)]);
  await expect.poll(() => page.locator(".chart canvas").count()).toBe(1);
  const response = await page.request.get(page.url());
  const policy = response.headers()["content-security-policy"] ?? "";
  expect(policy).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self';/);
  expect(policy).not.toMatch(/unsafe|\*|https:|wss?:(?!\/\/)/);
});

test("the page's server gives a token to this page and to no other", async () => {
  const { name, page } = await begin();
  await isState(page, /^live$/);
  expect(new URL(page.url()).hash).toBe("");
  await page.reload();
  await isState(page, /^live$/);
  const endpoint = new URL("/token", page.url()).href;
  const data = { workstreams: [name] };
  expect((await page.request.post(endpoint, { data })).status()).toBe(401);
  await page.evaluate(() => sessionStorage.clear());
  await page.reload();
  await expect.poll(() => page.locator("[role=alert]").textContent()).toMatch(/Open the link/);
});

test("a line that holds markup shows as text", async () => {
  const { page, write, writer } = await begin();
  const evil = `<img src=x onerror="document.title='owned'">`;
  await write([writer.event("agent.text", { text: evil }), raw(writer.run, evil)]);
  await expect.poll(() => page.locator(".group-agent .text").textContent()).toBe(evil);
  await expect.poll(() => page.locator(".group-raw .text").textContent()).toBe(evil);
  expect(await page.locator(`${log} img`).count()).toBe(0);
  expect(await page.title()).not.toBe("owned");
});

test("when the gateway drops the connection the page goes on where it was", async () => {
  const { name, page, run, write, writer } = await begin();
  await isState(page, /^live$/);
  await write(writer.lines(20));
  await expect.poll(() => lastKey(page)).toBe(`${run}/20`);
  expect(await cloud.drop(name)).toBe(1);
  await write(writer.lines(20));
  await expect.poll(() => lastKey(page)).toBe(`${run}/40`);
  await isState(page, /^live$/);
  await expect
    .poll(() => drawn(page))
    .toEqual(Array.from({ length: 40 }, (_, i) => `${run}/${i + 1}`));
});

test("a token that the authorizer refuses is called denied, and a good one ends it", async () => {
  let good = false;
  const { page } = await begin((fresh) =>
    fresh.route("**/token", async (route) => {
      if (good) return route.continue();
      const response = await route.fetch();
      const { token } = (await response.json()) as { token: string };
      // The last character of a signature has bits that do not count.
      const forged = `${token.slice(0, -3)}${token.at(-3) === "A" ? "B" : "A"}${token.slice(-2)}`;
      return route.fulfill({ json: { token: forged } });
    }),
  );
  await isState(page, /^denied$/);
  await expect.poll(() => page.locator(empty).textContent()).toMatch(/refused/);
  good = true;
  await page.locator("#retry").click();
  await isState(page, /^live$/);
});

test("a line that CloudWatch Logs does not have is shown as lost", async () => {
  const { page, run, write, writer } = await begin((fresh) => fresh.clock.install());
  await isState(page, /^live$/);
  const lines = writer.lines(9);
  await write([...lines.slice(0, 5), ...lines.slice(6)]);
  await isState(page, /1 pending/);
  // For five minutes CloudWatch Logs may still get it, whatever the times of the other lines say.
  await page.clock.fastForward("05:01");
  await isState(page, /1 lost/);
  await expect.poll(() => page.locator(".gap-lost").textContent()).toMatch(/^1 line lost.*#6$/);
  await expect
    .poll(() => drawn(page))
    .toEqual([1, 2, 3, 4, 5, 7, 8, 9].map((seq) => `${run}/${seq}`));
});

test("a run that failed before its first line says why", async () => {
  const { name, page, run } = await begin();
  await isState(page, /^live$/);
  await cloud.taskStopped(name, run, "CannotPullContainerError: manifest unknown");
  await expect.poll(() => page.locator(".row.run .reason").textContent()).toMatch(/manifest/);
  // The state comes with the answer to the ping that follows.
  await expect.poll(() => page.locator(".row.run .state").textContent()).toBe("failed");
  await expect.poll(() => page.locator("#run .state").textContent()).toBe("failed");
});

test("100,000 lines in a burst: bounded, in order, the newest shown", async () => {
  const { page, run, write, writer } = await begin();
  await isState(page, /^live$/);
  const start = Date.now();
  for (let i = 0; i < 10; i++) await write(writer.lines(10_000));
  const written = Date.now();
  await expect.poll(() => lastKey(page), { timeout: 150_000, interval: 250 }).toBe(`${run}/100000`);
  console.log(`written in ${written - start} ms, shown after ${Date.now() - start} ms`);
  await isState(page, /^live$/);
  const seqs = (await held(page)).map((event) => event.seq as number);
  expect(seqs.length).toBeLessThanOrEqual(11_000);
  expect(seqs.length).toBeGreaterThanOrEqual(9_000);
  expect(seqs).toEqual(seqs.map((_, i) => (seqs[0] as number) + i));
}, 200_000);

/** The states of the connection that the page has shown, in their order. */
const states = (page: Page) =>
  page.evaluate(() => (globalThis as unknown as { states: string[] }).states);

/** Writes down each state that the page shows. */
const watchStates: Prepare = (page) =>
  page.addInitScript(() => {
    const seen: string[] = [];
    Object.assign(globalThis, { states: seen });
    const look = () => {
      const state = document.querySelector("#status")?.className.match(/status-(\w+)/)?.[1];
      if (state !== undefined && state !== seen.at(-1)) seen.push(state);
    };
    const all = { subtree: true, childList: true, attributes: true };
    new MutationObserver(look).observe(document, all);
  });

test("over a link of 2 Mbit/s a first page of 8 MB is shown, asked for once", async () => {
  const { name, run, write, writer } = workstream();
  await write(writer.lines(1_000, () => "8 KB of text ".repeat(628)));
  await expect.poll(() => cloud.lastSeq(name, run), { timeout: 60_000 }).toBe(1_000);
  link = await Link.to(cloud.endpoint, 2);
  const asked: { [field: string]: unknown }[] = [];
  const { page } = await look(name, async (fresh) => {
    await watchStates(fresh);
    fresh.on("websocket", (socket) => {
      socket.on("framesent", ({ payload }) => asked.push(JSON.parse(`${payload}`)));
    });
  });
  await expect.poll(() => lastKey(page), { timeout: 120_000 }).toBe(`${run}/1000`);
  const numbers = async () => (await held(page)).map((event) => event.seq as number);
  await expect.poll(async () => (await numbers()).length, { timeout: 120_000 }).toBe(1_000);
  expect(await numbers()).toEqual(Array.from({ length: 1_000 }, (_, i) => i + 1));
  expect(link.passed).toBeGreaterThan(8_300_000);
  await isState(page, /^live$/);
  const requests = asked.filter(({ action }) => action === "sendLogs");
  const first = requests.filter(
    ({ before, ranges }) => before === undefined && ranges === undefined,
  );
  expect(first.map(({ limit }) => limit)).toEqual([1_000]);
  const distinct = new Set(requests.map(({ id: _, ...what }) => JSON.stringify(what)));
  expect(distinct.size, JSON.stringify(requests)).toBe(requests.length);
  const fine = ["connecting", "replaying", "live", "gap"];
  expect((await states(page)).filter((state) => !fine.includes(state))).toEqual([]);
}, 300_000);

test("a connection on which nothing passes any more is called stale long before the next ping is due", async () => {
  link = await Link.to(cloud.endpoint);
  const { name } = workstream();
  let pongs = 0;
  const { page } = await look(name, async (fresh) => {
    fresh.on("websocket", (socket) => {
      socket.on("framereceived", ({ payload }) => {
        if (`${payload}`.includes('"pong"')) pongs++;
      });
    });
  });
  await isState(page, /^live$/);
  // The pings when it connected, 3 s and 15 s after it caught up: the next one is due a minute later.
  await expect.poll(() => pongs, { timeout: 60_000 }).toBeGreaterThan(2);
  link.die();
  // A machine wakes up, or changes its network.
  await page.evaluate(() => dispatchEvent(new Event("online")));
  await expect
    .poll(() => page.locator("#status").getAttribute("class"), { timeout: 40_000 })
    .toMatch(/status-(stale|unreachable)/);
}, 180_000);
