import { expect, test } from "vitest";
import { Link } from "../mock/link.ts";
import { MockServer } from "../mock/server.ts";
import { runAt } from "../mock/story.ts";
import { empty, lastKey, log, mocked } from "./mocked.ts";
import { drawn, held, isAccessible, isState } from "./page.ts";

// What the page says and does when its surroundings fail.

const run = runAt(1_790_000_000_000);
const at = mocked(run);

test("a gateway that is down is called unreachable, with a reason, and found when it is back", async () => {
  const down = await MockServer.start(["demo"]);
  at.server.gateway = down;
  await down.close();
  const page = await at.look();
  await isState(page, /^unreachable$/);
  await expect
    .poll(() => page.locator(empty).textContent())
    .toMatch(/the gateway cannot be reached\. Trying again in /);
  expect(await page.locator("#retry").isVisible()).toBe(true);
  await isAccessible(page);
  const back = await MockServer.start(["demo"], down.port);
  try {
    at.server.gateway = back;
    back.write("demo", at.writer.lines(3));
    await page.locator("#retry").click();
    await isState(page, /^live$/);
    await expect.poll(() => lastKey(page)).toBe(`${run}/3`);
    await expect.poll(() => page.locator("#retry").isHidden()).toBe(true);
  } finally {
    await back.close();
  }
});

test("a gateway of another host that refuses the page is called denied: it can be reached", async () => {
  const other = await MockServer.start(["demo"]);
  try {
    other.refuse = Number.POSITIVE_INFINITY;
    at.server.gateway = other;
    const page = await at.look();
    await isState(page, /^denied$/);
    expect(await page.locator("#retry").isVisible()).toBe(true);
    other.refuse = 0;
    await page.locator("#retry").click();
    await isState(page, /^live$/);
  } finally {
    await other.close();
  }
});

test("a gateway that moves is found, for the configuration is read again", async () => {
  const [old, next] = [await MockServer.start(["demo"]), await MockServer.start(["demo"])];
  try {
    Object.assign(at.server, { gateway: old, nextGateway: next });
    old.write("demo", at.writer.lines(3));
    const page = await at.look();
    await isState(page, /^live$/);
    at.server.gateway = next;
    await old.close();
    next.write("demo", at.writer.lines(2));
    await isState(page, /^reconnecting$/);
    await isState(page, /^live$/);
    await expect.poll(() => lastKey(page)).toBe(`${run}/5`);
  } finally {
    await next.close();
  }
});

test("a configuration that cannot be read is read again, and the page says so", async () => {
  at.server.configStatus = 503;
  const page = await at.look();
  const alert = page.locator("#main > .empty[role=alert]");
  await expect
    .poll(() => alert.textContent())
    .toMatch(/config\.json: the server answered 503\. Trying again in /);
  await isAccessible(page);
  at.server.configStatus = 200;
  at.server.write("demo", at.writer.lines(2));
  await isState(page, /^live$/);
  await expect.poll(() => lastKey(page)).toBe(`${run}/2`);
  expect(await alert.count()).toBe(0);
});

test("a connection that lets nothing through shows so seconds after the network is back", async () => {
  const link = await Link.start(at.server.port);
  try {
    at.server.via = link.websocketUrl;
    at.server.write("demo", at.writer.lines(2));
    const page = await at.look();
    await isState(page, /^live$/);
    link.swallow = true;
    const from = performance.now();
    await page.evaluate(() => dispatchEvent(new Event("online")));
    await isState(page, /^reconnecting$/);
    expect(performance.now() - from).toBeLessThan(8_000);
    // Nothing is being loaded where there is no line yet.
    await page.evaluate(() => location.assign("#/w/docs"));
    await expect.poll(() => page.locator(empty).textContent()).toBe("Reconnecting…");
    await page.evaluate(() => location.assign("#/w/demo"));
    link.swallow = false;
    at.server.write("demo", at.writer.lines(1));
    await isState(page, /^live$/);
    await expect.poll(() => lastKey(page)).toBe(`${run}/3`);
  } finally {
    await link.close();
  }
});

test("half a character and 5,000 nested arrays are shown somehow, and the page goes on", async () => {
  const deep = `${"[".repeat(5_000)}${"]".repeat(5_000)}`;
  const text = JSON.stringify(deep);
  const events = [
    ["log", '"text":"half \\ud83d of it"'],
    ["agent.text", '"text":"**\\udc00** and `\\ud800`"'],
    ["log", `"text":"nested","deep":${deep}`],
    ["log", `"text":${deep}`],
    ["deep", `"deep":${deep}`],
    ["agent.tool", `"id":"1","name":"Deep","text":${text}`],
    ["agent.tool_result", `"id":"1","isError":false,"text":${text}`],
  ].map(([type, fields]) => {
    const event = JSON.stringify(at.writer.event(type as string));
    return `${event.slice(0, -1)},${fields}}`;
  });
  const page = await at.look();
  await isState(page, /^live$/);
  at.server.frame(
    `{"type":"logs","workstream":"demo","source":"live","events":[${events.join(",")}]}`,
  );
  const keys = Array.from({ length: 7 }, (_, i) => `${run}/${i + 1}`);
  await expect.poll(() => drawn(page)).toEqual(keys);
  // Each as JSON, unfolded, copied.
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  for (const key of keys) {
    const row = page.locator(`[data-key="${key}"]`);
    // The one before it was tall while it was unfolded, and only what is in view is drawn.
    await page.locator(log).evaluate((list) => list.scrollTo(0, 0));
    await row.locator("time").click();
    await page.locator(log).focus();
    await page.keyboard.press("x");
    await expect.poll(() => row.locator(".json").textContent()).toMatch(/"seq"/);
    expect((await row.locator(".json").textContent())?.length).toBeLessThan(100_000);
    await page.keyboard.press("Enter");
    await page.keyboard.press("c");
    await expect.poll(() => page.locator("#toast").textContent()).toBe("line copied");
    await page.keyboard.press("Enter");
    await page.keyboard.press("x");
  }
  // Searched as text and in the worker, and downloaded.
  await page.locator("#filter").fill("half");
  await expect.poll(() => page.locator("mark").allTextContents()).toEqual(["half"]);
  await page.locator("#regex").click();
  await page.locator("#filter").fill("^half . of|nested|\\[{4000}");
  await expect.poll(async () => (await drawn(page)).length).toBe(6);
  await page.locator("#filter").fill("");
  await expect.poll(async () => (await held(page)).length).toBe(7);
  at.server.write("demo", at.writer.lines(2));
  await expect.poll(() => lastKey(page)).toBe(`${run}/9`);
});
