import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { runAt } from "../mock/story.ts";
import { empty, lastKey, mocked } from "./mocked.ts";
import { isAccessible, isState } from "./page.ts";

// The link that `ralph local` and `ralph view` print carries a secret, without which the page gets no
// token.

const run = runAt(1_790_000_000_000);
const at = mocked(run);
const alert = "#main > .empty[role=alert]";
const says = (page: Page, words: RegExp) =>
  expect.poll(() => page.locator(alert).textContent()).toMatch(words);

test("the printed link connects, its secret leaves the address, and a reload works", async () => {
  at.server.write("demo", at.writer.lines(3));
  const page = await at.look();
  await isState(page, /^live$/);
  expect(page.url()).toBe(at.server.url);
  expect(await page.content()).not.toContain(at.server.secret);
  await page.reload();
  await isState(page, /^live$/);
  await expect.poll(() => lastKey(page)).toBe(`${run}/3`);
  expect(page.url()).toBe(at.server.url);
});

test("a link with a route leads there", async () => {
  at.server.write("demo", at.writer.lines(3));
  const page = await at.look(`#/w/demo/${run}/2`);
  await expect.poll(() => page.locator(".chosen").getAttribute("data-key")).toBe(`${run}/2`);
  expect(page.url()).toBe(`${at.server.url}#/w/demo/${run}/2`);
});

test("a link opens its workstream, in a new tab and in one that shows another", async () => {
  const page = await at.look("#/w/docs");
  const tab = page.locator("#workstreams [aria-current]");
  await isState(page, /^live$/);
  await expect.poll(() => tab.textContent()).toMatch(/^docs/);
  // The tab of `demo`, which the page lists first, and back again.
  for (const workstream of ["demo", "docs"]) {
    await page.goto(at.server.link(`#/w/${workstream}`));
    await isState(page, /^live$/);
    await expect.poll(() => tab.textContent()).toMatch(new RegExp(`^${workstream}`));
    expect(page.url()).toBe(`${at.server.url}#/w/${workstream}`);
  }
});

test("a link opens a workstream that was started after the page", async () => {
  const page = await at.look();
  await isState(page, /^live$/);
  at.server.offer("parser");
  await page.goto(at.server.link("#/w/parser"));
  await isState(page, /^live$/);
  const tab = page.locator("#workstreams [aria-current]");
  await expect.poll(() => tab.textContent()).toMatch(/^parser/);
});

test("without the secret the page says what to do and asks no second time", async () => {
  const page = await at.visit(`${at.server.url}#/w/docs`);
  await says(page, /without its secret\. Open the link that “ralph” printed/);
  await page.clock.install();
  await page.reload();
  await says(page, /without its secret/);
  await page.clock.fastForward(3_600_000);
  await page.locator("#workstreams a", { hasText: "demo" }).click();
  await says(page, /without its secret/);
  expect(at.server.asked).toBe(2);
  expect(await page.locator("#retry").isHidden()).toBe(true);
  await isAccessible(page);
});

test("the link helps in the tab that lacked it", async () => {
  const page = await at.visit(at.server.url);
  await says(page, /without its secret/);
  await page.goto(at.server.link("#/w/docs"));
  await isState(page, /^live$/);
  expect(page.url()).toBe(`${at.server.url}#/w/docs`);
});

test("when the server is started again the page wants the new link", async () => {
  const page = await at.look();
  await isState(page, /^live$/);
  at.server.secret = "another";
  at.server.cut();
  await says(page, /no longer valid\. Open the link/);
  await page.goto(at.server.link());
  await isState(page, /^live$/);
});

test("a workstream that the page does not have is not asked for, and the others go on", async () => {
  const page = await at.look("#/w/other");
  await says(page, /“other” is not a workstream of this page: name it when you start the page/);
  await page.locator("#workstreams a", { hasText: "demo" }).click();
  await isState(page, /^live$/);
  await expect.poll(() => page.locator(empty).textContent()).toMatch(/No line yet/);
  expect(await page.locator("#workstreams a").allTextContents()).toHaveLength(2);
});
