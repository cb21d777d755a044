import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch } from "./launch.ts";
import { drawn, held, isAccessible, isState, open } from "./page.ts";

// The page where it is really served, with a workstream that has lines or gets some within a
// minute. RALPH_VIEW_URL is the link that `ralph` printed (with `/w/<workstream>` behind it if it is
// not the first); the page must have the workstream `never-seen` too.
// RALPH_VIEW_LINES, if given, is how many events the run has in the end.
const url = process.env.RALPH_VIEW_URL as string;
const lines = Number(process.env.RALPH_VIEW_LINES ?? 0);

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser?.close());

test("lines are shown, once each and in order", async () => {
  const { page, context, faults } = await open(browser, url);
  await isState(page, /^live$/);
  await expect.poll(async () => (await drawn(page)).length, { timeout: 60_000 }).toBeGreaterThan(0);
  if (lines > 0) {
    await expect
      .poll(async () => (await held(page)).filter((e) => e.seq !== undefined).length, {
        timeout: 60_000,
        interval: 1_000,
      })
      .toBe(lines);
  }
  const last = new Map<string, number>();
  for (const { run, seq } of await held(page)) {
    if (seq === undefined) continue;
    const before = last.get(run);
    if (before !== undefined) expect(seq, run).toBe(before + 1);
    last.set(run, seq);
  }
  await isAccessible(page);
  expect(faults).toEqual([]);
  await context.close();
});

test("a workstream nobody has seen is live, shows nothing and is not an error", async () => {
  const { page, context, faults } = await open(
    browser,
    url.replace(/\/w\/[^/]+$|$/, "/w/never-seen"),
  );
  await isState(page, /^live$/);
  expect(await drawn(page)).toEqual([]);
  expect(faults).toEqual([]);
  await context.close();
});
