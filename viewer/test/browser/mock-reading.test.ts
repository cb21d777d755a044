import { expect, test } from "vitest";
import { raw } from "../mock/store.ts";
import { iteration, runAt, Writer } from "../mock/story.ts";
import { badge, empty, lastKey, log, mocked } from "./mocked.ts";
import { drawn, held, isState } from "./page.ts";

// What makes reading pleasant, and what a page must bear.

const run = runAt(1_790_000_000_000);
const at = mocked(run);

test("an expression that would hang is stopped, and the page goes on meanwhile", async () => {
  at.server.write("demo", at.writer.lines(50));
  const page = await at.look();
  await expect.poll(() => lastKey(page)).toBe(`${run}/50`);
  await page.locator("#regex").click();
  await page.locator("#filter").fill("line [1-4]$");
  await expect.poll(async () => (await drawn(page)).length).toBe(4);
  await page.evaluate(() => {
    const frames = { longest: 0, last: performance.now() };
    const tick = (now: number) => {
      frames.longest = Math.max(frames.longest, now - frames.last);
      frames.last = now;
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
    Object.assign(window, { frames });
  });
  at.server.write("demo", [at.writer.event("log", { text: `${"a".repeat(60)}!` })]);
  await page.locator("#filter").fill("(a+)+$");
  await expect.poll(() => page.locator("#filter-note").textContent()).toMatch(/takes too long/);
  const longest = await page.evaluate(
    () => (window as unknown as { frames: { longest: number } }).frames.longest,
  );
  expect(longest).toBeLessThan(2_000);
  await expect
    .poll(() => drawn(page), { message: "the last good filter stays in force" })
    .toHaveLength(4);
  // One that was good until a line came that it cannot bear.
  await page.locator("#filter").fill("^(b+)+$");
  await expect.poll(() => page.locator(empty).textContent()).toMatch(/No line passes/);
  at.server.write("demo", [at.writer.event("log", { text: `${"b".repeat(60)}!` })]);
  await expect.poll(() => page.locator("#filter-note").textContent()).toMatch(/takes too long/);
  await expect.poll(async () => (await drawn(page)).length).toBeGreaterThan(20);
});

test("lines that come are filtered by a regular expression as well", async () => {
  at.server.write("demo", at.writer.lines(5));
  const page = await at.look();
  await page.locator("#regex").click();
  await page.locator("#filter").fill("line \\d*[05]$");
  await expect.poll(() => drawn(page)).toEqual([`${run}/5`]);
  for (let i = 0; i < 4; i++) at.server.write("demo", at.writer.lines(5));
  await expect.poll(() => drawn(page)).toEqual([5, 10, 15, 20, 25].map((n) => `${run}/${n}`));
  await expect.poll(() => page.locator("mark").allTextContents()).toContain("line 25");
});

test("a line that a filter found stays in view when the filter is cleared", async () => {
  const text = (n: number) => (n === 500 ? "the needle" : `hay ${n}`);
  at.server.write("demo", at.writer.lines(1_000, text));
  const page = await at.look();
  await expect.poll(() => lastKey(page)).toBe(`${run}/1000`);
  await page.keyboard.press("/");
  await page.keyboard.type("needle");
  await expect.poll(() => drawn(page)).toEqual([`${run}/500`]);
  await page.locator(`[data-key="${run}/500"]`).click();
  await page.keyboard.press("Escape");
  await expect.poll(async () => (await drawn(page)).length).toBeGreaterThan(20);
  await expect.poll(() => page.locator("#filter").inputValue()).toBe("");
  await expect.poll(() => page.locator(`[data-key="${run}/499"]`).isVisible()).toBe(true);
  await expect.poll(() => page.locator(".chosen").textContent()).toMatch(/the needle/);
  const box = await page.locator(".chosen").boundingBox();
  expect(box?.y).toBeGreaterThan(200);
  expect(box?.y).toBeLessThan(780);
  await page.keyboard.press("Escape");
  await expect.poll(() => page.locator(".chosen").count()).toBe(0);
});

test("a link to a line loads what lies between, and says when the line is gone", async () => {
  at.server.store("demo").write(at.writer.lines(9_000));
  const page = await at.look(`#/w/demo/${run}/2500`);
  await expect
    .poll(() => page.locator(".chosen").textContent(), { timeout: 20_000 })
    .toMatch(/line 2500/);
  const seqs = (await held(page)).map((event) => event.seq as number);
  expect(seqs).toEqual(seqs.map((_, i) => (seqs[0] as number) + i));
  await page.evaluate(
    (key) => {
      location.hash = `#/w/demo/${key}`;
    },
    `${runAt(1_780_000_000_000)}/7`,
  );
  await expect
    .poll(() => page.locator("#toast").textContent(), { timeout: 20_000 })
    .toMatch(/not kept/);
});

test("a link to a line of the first page leads there, and nothing of the page is new", async () => {
  at.server.store("demo").write(at.writer.lines(500));
  const page = await at.look(`#/w/demo/${run}/250`);
  await expect.poll(() => drawn(page)).toContain(`${run}/250`);
  await expect.poll(() => page.locator(".chosen").textContent()).toMatch(/line 250/);
  await isState(page, /^paused$/);
  await expect.poll(() => page.locator(badge).textContent()).toBe("↓ newest");
  at.server.write("demo", at.writer.lines(3));
  await expect.poll(() => page.locator(badge).textContent()).toBe("↓ 3 new");
});

test("older pages are not counted as new, nor announced", async () => {
  at.server.store("demo").write(at.writer.lines(2_500));
  const page = await at.look();
  await expect.poll(() => lastKey(page)).toBe(`${run}/2500`);
  await page.locator(log).focus();
  await page.keyboard.press("g");
  await expect.poll(async () => (await held(page)).length, { timeout: 10_000 }).toBe(2_000);
  at.server.write("demo", at.writer.lines(4));
  await expect.poll(() => page.locator(badge).textContent()).toBe("↓ 4 new");
  await expect.poll(() => page.locator("#announce").textContent()).toBe("4 new lines in demo");
});

test("events in a shape that nobody expects are shown, and what follows them too", async () => {
  const page = await at.look();
  await isState(page, /^live$/);
  at.server.write("demo", [
    at.writer.start(),
    ...[
      "spend",
      "iter.end",
      "checkpoint",
      "pull_request",
      "agent.tool",
      "agent.text",
      "clone",
      "wait",
    ].map((type) => at.writer.event(type)),
    ...at.writer.lines(3),
  ]);
  await expect.poll(() => lastKey(page)).toBe(`${run}/12`);
  await expect.poll(async () => (await drawn(page)).length).toBe(11);
});

test("a subagent's lines are shown as such", async () => {
  const parent = "toolu_1";
  at.server.write("demo", [
    at.writer.event("agent.text", { text: "I ask for help." }),
    at.writer.event("agent.tool", { id: parent, name: "Task", text: "{}" }),
    at.writer.event("agent.text", { text: "I help.", parent }),
    at.writer.event("agent.tool", { id: "toolu_2", name: "Bash", text: "{}", parent }),
    at.writer.event("agent.tool_result", { id: "toolu_2", text: "ok", isError: false, parent }),
  ]);
  const page = await at.look();
  const labels = () => page.locator(".line.subagent .part").allTextContents();
  await expect.poll(labels).toEqual(["subagent", "subagent", "subagent"]);
  const keys = page.locator(".line.subagent");
  expect(await keys.evaluateAll((rows) => rows.map((row) => row.getAttribute("data-key")))).toEqual(
    [3, 4, 5].map((n) => `${run}/${n}`),
  );
});

test("the chosen line has buttons: JSON, copy, link", async () => {
  at.server.write("demo", at.writer.lines(3));
  const page = await at.look();
  await at.opened.context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.locator(`[data-key="${run}/2"] .text`).click();
  const clipboard = () => page.evaluate(() => navigator.clipboard.readText());
  await page.locator(".actions [data-act=copy]").click();
  await expect.poll(clipboard).toMatch(/^\d{4}-\S+Z info log line 2$/);
  await expect.poll(() => page.locator("#toast").textContent()).toBe("line copied");
  await page.locator(".actions [data-act=link]").click();
  await expect.poll(clipboard).toBe(`${at.server.url}#/w/demo/${run}/2`);
  await page.locator(".actions [data-act=json]").click();
  await expect.poll(() => page.locator(".json").textContent()).toMatch(/"text": "line 2"/);
  await page.locator("#copy").click();
  await expect.poll(clipboard).toMatch(/line 1\n.*line 2\n.*line 3$/);
});

test("cost and time count all attempts, also those whose lines are not loaded", async () => {
  const first = new Writer("demo", runAt(Date.now() - 7_200_000), Date.now() - 7_200_000);
  const store = at.server.store("demo");
  store.write([first.start()]);
  for (let i = 0; i < 4; i++) store.write(iteration(first));
  store.write([first.end("interrupted", 75)]);
  const second = first.next(Date.now() - 3_600_000);
  store.write([second.start(), ...iteration(second), ...second.lines(3_000)]);
  const page = await at.look();
  await isState(page, /^live$/);
  const facts = page.locator("#run dd");
  // The server knows what the lines of this page do not tell.
  const cost = () => facts.nth(2).textContent();
  await expect.poll(cost).toBe(`$${second.spent.toFixed(2)}`);
  await expect.poll(() => facts.nth(3).textContent()).toBe("–");
  at.server.write("demo", iteration(second));
  await expect.poll(cost).toBe(`$${second.spent.toFixed(2)}`);
  await expect.poll(() => facts.nth(0).textContent()).toMatch(/^2 h 00 min/);
  await expect.poll(() => facts.nth(3).textContent()).toMatch(/^≥ /);
});

test("what a run reserves is a hint, and once a killed run is settled the page shows that", async () => {
  const page = await at.look();
  await isState(page, /^live$/);
  at.writer.spent = 2;
  at.server.write("demo", [at.writer.start(), at.writer.event("spend", at.writer.spend(1.25))]);
  const cost = page.locator("#run dl > div").nth(2);
  const words = () => cost.locator("dd").textContent();
  await expect.poll(words).toBe("$2.00 of $25.00");
  await expect.poll(() => cost.getAttribute("title")).toMatch(/; up to \$1\.25 more is reserved/);
  at.server.state("demo", run, "failed", "OutOfMemory");
  await expect.poll(() => cost.getAttribute("title")).toMatch(/all attempts included$/);
  expect(await words()).toBe("$2.00 of $25.00");
  // Half a minute later; the answer to a ping tells it.
  at.server.store("demo").run(run, { spentUsd: 3.25 });
  at.server.silentTasks = true;
  at.server.state("demo", run, "failed");
  await expect.poll(words, { timeout: 5_000 }).toBe("$3.25 of $25.00");
});

test("what a run has spent so far is neither a line nor a hole, and the download has it", async () => {
  at.server.write("demo", at.writer.lines(300));
  const page = await at.look();
  await expect.poll(() => lastKey(page)).toBe(`${run}/300`);
  await page.locator(log).focus();
  await page.keyboard.press("PageUp");
  await expect.poll(() => page.locator(badge).isVisible()).toBe(true);
  const spends = Array.from({ length: 5 }, () => at.writer.event("spend", at.writer.spend(1)));
  at.server.write("demo", [...spends, ...at.writer.lines(2)]);
  await expect.poll(() => page.locator(badge).textContent()).toBe("↓ 2 new");
  await expect.poll(() => page.locator("#announce").textContent()).toBe("2 new lines in demo");
  await page.locator(badge).click();
  await expect
    .poll(async () => (await drawn(page)).slice(-3))
    .toEqual([300, 306, 307].map((seq) => `${run}/${seq}`));
  expect(await page.locator(".row.gap").count()).toBe(0);
  await isState(page, /^live$/);
  const seqs = (await held(page)).map((event) => event.seq);
  expect(seqs).toEqual(Array.from({ length: 307 }, (_, i) => i + 1));
});

test("a run is seen before its first line, and so is a task that died, with its reason", async () => {
  const page = await at.look();
  await isState(page, /^live$/);
  at.server.state("demo", run, "starting");
  await expect.poll(() => page.locator(".row.run .state").textContent()).toMatch(/^starting/);
  // The state comes with the answer to the next ping; what the task says is shown at once.
  at.server.silentTasks = true;
  at.server.state("demo", run, "failed", "ResourceInitializationError: no value for git-token");
  await expect.poll(() => page.locator(".row.run .reason").textContent()).toMatch(/git-token/);
  await expect
    .poll(() => page.locator(".row.run .state").textContent(), { timeout: 5_000 })
    .toBe("failed");
  await expect.poll(() => page.locator("#run .state").textContent()).toBe("failed");
});

test("tabs tell how workstreams are doing that nobody has looked at", async () => {
  const docs = new Writer("docs", run);
  at.server.write("docs", [docs.start(), ...docs.lines(2_000), docs.end("budget", 12)]);
  const page = await at.look("#/w/demo");
  const tab = page.locator("#workstreams a", { hasText: "docs" });
  await expect.poll(() => tab.getAttribute("title")).toBe("stopped");
  await tab.click();
  // What was left out at first is loaded when it is looked at.
  await expect.poll(async () => (await held(page)).length, { timeout: 10_000 }).toBe(1_000);
});

test("without a token the page says why, and tries again when it is told to", async () => {
  at.server.tokenStatus = 503;
  at.server.write("demo", at.writer.lines(1));
  const page = await at.look();
  await expect.poll(() => page.locator(empty).textContent()).toMatch(/answered 503/);
  at.server.tokenStatus = 403;
  await isState(page, /^denied$/);
  at.server.tokenStatus = 200;
  await page.locator("#retry").click();
  await isState(page, /^live$/);
  await expect.poll(() => page.locator("#retry").isHidden()).toBe(true);
});

test("the page works under any path, and its choices outlast it", async () => {
  at.server.base = "/some/where/";
  at.server.write(
    "demo",
    at.writer.lines(1, () => "x".repeat(2_000)),
  );
  const page = await at.look();
  await isState(page, /^live$/);
  const text = page.locator(".line .text");
  const tall = (await text.boundingBox())?.height ?? 0;
  await page.keyboard.press("w");
  await page.keyboard.press("t");
  await page.keyboard.press("l");
  await expect.poll(async () => (await text.boundingBox())?.height ?? 0).toBeLessThan(tall / 3);
  await page.reload();
  await isState(page, /^live$/);
  await expect.poll(() => page.locator(".line time").isVisible()).toBe(false);
  await expect.poll(() => page.locator("html").getAttribute("data-theme")).toBe("dark");
  await expect.poll(() => page.locator("#wrap").getAttribute("aria-pressed")).toBe("false");
});

test("new lines are announced in words, politely, and the log says what it is", async () => {
  const page = await at.look();
  await isState(page, /^live$/);
  at.server.write("demo", at.writer.lines(3));
  await expect.poll(() => page.locator("#announce").textContent()).toBe("3 new lines in demo");
  await expect.poll(() => page.locator("#announce").getAttribute("aria-live")).toBe("polite");
  const region = page.getByRole("log", { name: "log of demo" });
  await expect.poll(() => region.getByRole("listitem").count()).toBe(4);
  await page.keyboard.press("?");
  await page.getByRole("button", { name: "close" }).click();
  await expect.poll(() => page.locator("#sheet").isVisible()).toBe(false);
});

test("keys scroll without a click before, and long texts are folded", async () => {
  const long = Array.from({ length: 200 }, (_, i) => `step ${i}`).join("\n");
  at.server.write("demo", [...at.writer.lines(300), at.writer.event("log", { text: long })]);
  const page = await at.look();
  await expect.poll(() => lastKey(page)).toBe(`${run}/301`);
  await expect.poll(() => page.locator(".more").textContent()).toBe("+ 180 lines");
  await page.keyboard.press("PageUp");
  await isState(page, /^paused$/);
  await page.keyboard.press("End");
  await isState(page, /^live$/);
  await page.locator(".more").click();
  await expect.poll(() => page.locator(".text.foldable").textContent()).toMatch(/step 199$/);
  await expect.poll(() => page.locator(badge).isHidden()).toBe(false);
  await expect.poll(() => page.locator(log).count()).toBe(1);
  at.server.write("demo", [raw(run, "after the end")]);
});
