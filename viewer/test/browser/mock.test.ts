import { expect, test } from "vitest";
import { raw } from "../mock/store.ts";
import { iteration, runAt, Writer } from "../mock/story.ts";
import { badge, empty, lastKey, log, mocked } from "./mocked.ts";
import { drawn, held, isAccessible, isState } from "./page.ts";

const run = runAt(1_790_000_000_000);
const at = mocked(run);
const look = at.look;

test("lines are shown as they come, and the newest stays in view", async () => {
  at.server.write("demo", at.writer.lines(200));
  const page = await look();
  await isState(page, /^live$/);
  await expect.poll(() => lastKey(page)).toBe(`${run}/200`);
  at.server.write("demo", at.writer.lines(50));
  await expect.poll(() => lastKey(page)).toBe(`${run}/250`);
  expect((await drawn(page)).length).toBeLessThan(120);
});

test("scrolling up pauses, the badge counts what comes, and following goes on from it", async () => {
  at.server.write("demo", at.writer.lines(300));
  const page = await look();
  await expect.poll(() => lastKey(page)).toBe(`${run}/300`);
  await page.locator(log).hover();
  await page.mouse.wheel(0, -2_000);
  await expect.poll(() => page.locator(badge).isVisible()).toBe(true);
  await isState(page, /^paused$/);
  await page.waitForTimeout(500);
  const before = await drawn(page);
  const middle = before[Math.floor(before.length / 2)] as string;
  const place = await page.locator(`[data-key="${middle}"]`).boundingBox();
  at.server.write("demo", at.writer.lines(40));
  await expect.poll(() => page.locator(badge).textContent()).toBe("↓ 40 new");
  expect((await page.locator(`[data-key="${middle}"]`).boundingBox())?.y).toBe(place?.y);
  await page.locator(badge).click();
  await expect.poll(() => lastKey(page)).toBe(`${run}/340`);
  await expect.poll(() => page.locator(badge).isHidden()).toBe(true);
});

test("older pages come on scroll, and what is read stays where it is", async () => {
  at.server.store("demo").write(at.writer.lines(2_500));
  const page = await look();
  await expect.poll(() => lastKey(page)).toBe(`${run}/2500`);
  await page.locator(log).focus();
  await page.keyboard.press("g");
  const oldest = page.locator(`[data-key="${run}/1501"]`);
  await expect.poll(() => oldest.boundingBox()).not.toBeNull();
  const place = (await oldest.boundingBox())?.y;
  await expect.poll(async () => (await held(page)).length, { timeout: 10_000 }).toBe(2_000);
  expect(Math.abs(((await oldest.boundingBox())?.y ?? 0) - (place ?? 0))).toBeLessThan(70);
  await page.keyboard.press("g");
  await expect.poll(async () => (await held(page)).length, { timeout: 10_000 }).toBe(2_500);
  const seqs = (await held(page)).map((event) => event.seq);
  expect(seqs).toEqual(Array.from({ length: 2_500 }, (_, i) => i + 1));
});

test("a filter shows and marks what matches; a bad regular expression says so", async () => {
  const text = (n: number) => (n % 10 === 0 ? `needle ${n}` : `hay ${n}`);
  at.server.write("demo", at.writer.lines(100, text));
  const page = await look();
  await expect.poll(() => lastKey(page)).toBe(`${run}/100`);
  await page.keyboard.press("/");
  await page.keyboard.type("needle");
  // "need" finds the same ten lines: the marks tell when the last letter has been taken in.
  await expect.poll(() => page.locator("mark").allTextContents()).toEqual(Array(10).fill("needle"));
  await expect.poll(() => drawn(page)).toHaveLength(10);
  await expect.poll(() => page.locator("#filter-note").textContent()).toBe("10 lines of 100");
  await page.locator("#regex").click();
  await page.locator("#filter").fill("needle [1-3]0$");
  await expect.poll(async () => (await drawn(page)).length).toBe(3);
  await page.locator("#filter").fill("needle (");
  await expect.poll(() => page.locator("#filter-note").textContent()).toMatch(/group|paren/i);
  await expect.poll(() => page.locator("#filter").getAttribute("aria-invalid")).toBe("true");
});

test("levels and types can be hidden", async () => {
  at.server.write("demo", [at.writer.start(), ...iteration(at.writer), ...iteration(at.writer)]);
  const page = await look();
  await isState(page, /^live$/);
  await page.locator(".chip-tools").click();
  await expect.poll(() => page.locator(".group-tools").count()).toBe(0);
  await expect.poll(() => page.locator(".group-agent").count()).toBeGreaterThan(0);
  await page.locator(".chip-info").click();
  await expect.poll(() => page.locator(".level-info").count()).toBe(0);
  await expect.poll(() => page.locator(".level-warn").count()).toBe(1);
});

test("the pull request is a link in its line and above the run, on the next attempt too", async () => {
  const url = "https://git.example.com/acme/parser/pull/17";
  const pull = (writer: Writer, draft: boolean) =>
    writer.event("pull_request", { url, number: 17, draft });
  at.server.write("demo", [at.writer.start(), pull(at.writer, true)]);
  const page = await look();
  const header = page.locator("#run .pull a");
  await expect.poll(() => header.textContent()).toBe("draft pull request #17");
  expect(await header.getAttribute("href")).toBe(url);
  expect(await page.locator(".line .text a").getAttribute("href")).toBe(url);
  const second = at.writer.next(Date.now());
  at.server.write("demo", [second.start()]);
  await expect.poll(() => page.locator("#run h2").textContent()).toBe("Attempt 2");
  expect(await header.textContent()).toBe("draft pull request #17");
  at.server.write("demo", [pull(second, false)]);
  await expect.poll(() => header.textContent()).toBe("pull request #17");
});

test("a pull request whose line is not loaded is still a link", async () => {
  const url = "https://git.example.com/acme/parser/pull/17";
  const told = at.writer.event("pull_request", { url, number: 17, draft: true });
  at.server.store("demo").write([at.writer.start(), told, ...at.writer.lines(1_500)]);
  const page = await look();
  await expect.poll(() => lastKey(page)).toBe(`${run}/1502`);
  expect(await page.locator("#run .pull a").getAttribute("href")).toBe(url);
});

test("a pull request whose address is not on the web is not a link", async () => {
  at.server.write("demo", [
    at.writer.start(),
    at.writer.event("pull_request", { url: "javascript:alert(1)//7", number: 7, draft: false }),
  ]);
  const page = await look();
  await expect.poll(() => page.locator("#run .pull").textContent()).toBe("pull request #7");
  expect(await page.locator("#run .pull a, .line .text a").count()).toBe(0);
});

test("after the gateway drops the connection, the page goes on where it was", async () => {
  at.server.write("demo", at.writer.lines(20));
  const page = await look();
  await expect.poll(() => lastKey(page)).toBe(`${run}/20`);
  at.server.cut();
  at.server.write("demo", at.writer.lines(20));
  await isState(page, /^reconnecting$/);
  await isState(page, /^live$/);
  await expect.poll(() => lastKey(page)).toBe(`${run}/40`);
  await expect
    .poll(() => drawn(page))
    .toEqual(Array.from({ length: 40 }, (_, i) => `${run}/${i + 1}`));
});

test("a connection that is refused three times is called denied", async () => {
  at.server.refuse = Number.POSITIVE_INFINITY;
  const page = await look();
  await isState(page, /^denied$/);
  await expect.poll(() => page.locator(empty).textContent()).toMatch(/refused/);
});

test("a hole is shown as pending and filled; a line that CloudWatch lost is shown as lost", async () => {
  const old = new Writer("demo", run, Date.now() - 600_000);
  const lines = old.lines(9);
  at.server.store("demo").write(lines.slice(0, 3));
  const page = await look();
  await isState(page, /^live$/);
  // 4 is stored but never delivered; 6 is nowhere.
  at.server.store("demo").write([lines[3] as (typeof lines)[number]]);
  at.server.write("demo", [lines[4], ...lines.slice(6)] as typeof lines);
  await isState(page, /1 lost/);
  await expect.poll(() => page.locator(".gap-lost").textContent()).toMatch(/^1 line lost.*#6$/);
  await expect.poll(() => drawn(page)).toEqual([1, 2, 3, 4, 5, 7, 8, 9].map((n) => `${run}/${n}`));
});

test("a run that fails before its first line says why", async () => {
  const page = await look();
  await isState(page, /^live$/);
  at.server.store("demo").write([raw(run, "exec /usr/local/bin/ralph-loop-cloud: no such file")]);
  at.server.state("demo", run, "failed", "CannotPullContainerError: manifest unknown");
  await expect
    .poll(() => page.locator(".row.run .reason").textContent())
    .toMatch(/manifest unknown/);
  await expect.poll(() => page.locator(".group-raw .text").textContent()).toMatch(/no such file/);
  await expect.poll(() => page.locator("#run .state").textContent()).toBe("failed");
});

test("markup in a line is text", async () => {
  const evil =
    "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>";
  const id = "toolu_1";
  at.server.write("demo", [
    at.writer.event("log", { text: evil }),
    at.writer.event("agent.tool", { id, name: evil, text: evil }),
    at.writer.event("agent.tool_result", {
      id,
      isError: false,
      text: `\u001b[31m${evil}\u001b[0m\n2`,
    }),
    at.writer.event(evil, { text: evil }),
    raw(run, evil),
  ]);
  const page = await look();
  await expect.poll(async () => (await drawn(page)).length).toBe(5);
  await page.locator(".fold").first().click();
  await page.locator("#filter").fill("img");
  await expect.poll(() => page.locator("mark").count()).toBeGreaterThan(3);
  expect(await page.locator(`${log} img, ${log} script`).count()).toBe(0);
  await expect.poll(() => page.locator(".group-log .text").first().textContent()).toBe(evil);
  expect(await page.title()).toBe("demo · ralph");
});

test("colours are drawn, and codes inside a word do not hide it from the filter", async () => {
  at.server.write("demo", [
    at.writer.event("log", {
      text: "\u001b[38;5;208mora\u001b[38;2;1;2;3mn\u001b[38:2::4:5:6mge\u001b[0m \u001b]0;title\u0007end",
    }),
  ]);
  const page = await look();
  await page.locator("#filter").fill("orange end");
  await expect.poll(() => page.locator(".line .text").textContent()).toBe("orange end");
  // The row is drawn again when the filter takes effect: an element that was replaced has no style.
  const colors = () =>
    page
      .locator(".line .text > span")
      .evaluateAll((spans) => spans.map((s) => getComputedStyle(s).color));
  await expect.poll(colors).toEqual(["rgb(255, 135, 0)", "rgb(1, 2, 3)", "rgb(4, 5, 6)"]);
  const marks = async () => (await page.locator("mark").allTextContents()).join("");
  await expect.poll(marks).toBe("orange end");
});

test("what the agent says has its bold and its code, and markup in them is text", async () => {
  const text = "Next: **the <i>parser</i>**, in `src/*.rs` and 2 ** 3.";
  at.server.write("demo", [at.writer.event("agent.text", { text })]);
  const page = await look();
  const line = page.locator(".group-agent .text");
  await expect.poll(() => line.locator("b").textContent()).toBe("the <i>parser</i>");
  await expect.poll(() => line.locator("code").textContent()).toBe("src/*.rs");
  await expect
    .poll(() => line.textContent())
    .toBe("Next: the <i>parser</i>, in src/*.rs and 2 ** 3.");
  await page.locator("#filter").fill("**the");
  await expect.poll(() => page.locator("mark").textContent()).toBe("**the");
});

test("tool calls unfold, JSON opens, iterations can be jumped to, all by keyboard", async () => {
  at.server.write("demo", [at.writer.start()]);
  for (let i = 0; i < 12; i++) at.server.write("demo", iteration(at.writer));
  const page = await look();
  await isState(page, /^live$/);
  await page.locator(log).focus();
  await page.keyboard.press("p");
  await page.keyboard.press("p");
  await expect.poll(() => page.locator(".chosen h3").textContent()).toBe("Iteration 11");
  for (let i = 0; i < 2; i++) await page.keyboard.press("j");
  await expect.poll(() => page.locator(".chosen").textContent()).toMatch(/Read/);
  await page.keyboard.press("j");
  await expect.poll(() => page.locator(".chosen .more").textContent()).toBe("+ 13 lines");
  await page.keyboard.press("Enter");
  await expect.poll(() => page.locator(".chosen .text").textContent()).toMatch(/rule_13/);
  await page.keyboard.press("x");
  await expect
    .poll(() => page.locator(".chosen .json").textContent())
    .toMatch(/"type": "agent.tool_result"/);
  await page.locator("#iteration").selectOption({ label: "iteration 2" });
  await expect.poll(() => page.locator(".chosen h3").textContent()).toBe("Iteration 2");
  await page.keyboard.press("Escape");
  await page.locator(log).focus();
  await page.keyboard.press("?");
  await expect.poll(() => page.locator("#sheet").isVisible()).toBe(true);
});

test("the header tells state, cost and limits of the run", async () => {
  at.server.write("demo", [
    at.writer.start(),
    ...iteration(at.writer),
    ...iteration(at.writer),
    at.writer.end(),
  ]);
  const page = await look();
  await expect.poll(() => page.locator("#run .state").textContent()).toBe("complete");
  const facts = await page.locator("#run dd").allTextContents();
  expect(facts[1]).toBe("2 of 20");
  expect(facts[2]).toMatch(/^\$0\.\d\d of \$25\.00$/);
  const link = page.locator(".summary a").first();
  expect(await link.getAttribute("href")).toMatch(
    /^https:\/\/git\.example\.com\/acme\/parser\/commit\/[0-9a-f]{40}$/,
  );
  await expect.poll(() => page.locator(".chart canvas").count()).toBe(1);
});

test("each workstream has its own lines and its own address", async () => {
  at.server.write("demo", at.writer.lines(3));
  const docs = new Writer("docs", run);
  at.server.write("docs", docs.lines(5));
  const page = await look("#/w/docs");
  await expect.poll(async () => (await drawn(page)).length).toBe(5);
  await page.locator("#workstreams a", { hasText: "demo" }).click();
  await expect.poll(async () => (await drawn(page)).length).toBe(3);
  expect(page.url()).toMatch(/#\/w\/demo$/);
  at.server.write("docs", docs.lines(2));
  await page.keyboard.press("]");
  await expect.poll(async () => (await drawn(page)).length).toBe(7);
  await page.goto(`${at.server.url}#/w/demo/${run}/2`);
  await expect.poll(() => page.locator(".chosen").getAttribute("data-key")).toBe(`${run}/2`);
});

test("100,000 lines in a burst: bounded, in order, the newest shown", async () => {
  at.server.write("demo", at.writer.lines(10));
  const page = await look();
  await isState(page, /^live$/);
  for (let i = 0; i < 100; i++) {
    at.server.write("demo", at.writer.lines(1_000));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await expect.poll(() => lastKey(page), { timeout: 40_000 }).toBe(`${run}/100010`);
  await isState(page, /^live$/);
  const seqs = (await held(page)).map((event) => event.seq as number);
  expect(seqs.length).toBeLessThanOrEqual(11_000);
  expect(seqs.length).toBeGreaterThanOrEqual(9_000);
  expect(seqs).toEqual(seqs.map((_, i) => (seqs[0] as number) + i));
});

test.each([false, true])("axe finds nothing (dark: %s)", async (dark) => {
  at.server.write("demo", [raw(run, "raw"), at.writer.start()]);
  for (let i = 0; i < 3; i++) at.server.write("demo", iteration(at.writer));
  const page = await look("", dark);
  await isState(page, /^live$/);
  await expect.poll(async () => (await drawn(page)).length).toBeGreaterThan(20);
  await isAccessible(page);
  await page.locator("#filter").fill("parser");
  await expect.poll(() => page.locator("mark").count()).toBeGreaterThan(0);
  await isAccessible(page);
  await page.locator("#help").click();
  await isAccessible(page);
});

test("on a narrow screen nothing is cut off", async () => {
  at.server.write("demo", [at.writer.start(), ...iteration(at.writer), ...iteration(at.writer)]);
  const page = await look();
  await page.setViewportSize({ width: 380, height: 740 });
  await isState(page, /^live$/);
  await expect.poll(async () => (await drawn(page)).length).toBeGreaterThan(5);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  expect(wide).toBe(false);
  await isAccessible(page);
});
