// The pictures in docs/images, made from the mock server: `npm run build && npm run shots`.
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { MockServer } from "../mock/server.ts";
import { iteration, runAt, Writer } from "../mock/story.ts";
import { launch } from "./launch.ts";

const FOLDER = fileURLToPath(new URL("../../../docs/images/", import.meta.url));

mkdirSync(FOLDER, { recursive: true });
const server = await MockServer.start(["parser", "docs", "release"]);
const hour = 3_600_000;
const first = new Writer("parser", runAt(Date.now() - hour), Date.now() - hour);
server.write("parser", [first.start()]);
for (let i = 0; i < 5; i++) server.write("parser", iteration(first, 12_000));
const why = "the task was asked to stop; the work is pushed";
server.write("parser", [
  first.event("interrupt", { signal: "SIGTERM" }, "warn"),
  first.end("interrupted", 75, why),
]);
const second = first.next(Date.now() - hour / 2);
server.write("parser", [second.start()]);
for (let i = 0; i < 9; i++) server.write("parser", iteration(second, 12_000));
const docs = new Writer("docs", runAt(Date.now() - hour), Date.now() - hour);
server.write("docs", [docs.start(), ...iteration(docs, 12_000), docs.end()]);
const release = new Writer("release", runAt(Date.now() - hour), Date.now() - hour);
server.write("release", [release.start(), release.end("budget", 12, "the cost limit is reached")]);

const browser = await launch();
async function shot(
  name: string,
  size: [width: number, height: number],
  colorScheme: "light" | "dark",
  act: (page: Page) => Promise<unknown> = async () => {},
): Promise<void> {
  const [width, height] = size;
  const page = await browser.newPage({ viewport: { width, height }, colorScheme });
  await page.goto(server.link());
  await page.waitForFunction(() => document.querySelector("#status")?.textContent === "live");
  await page.waitForTimeout(500);
  await act(page);
  await page.waitForTimeout(500);
  await page.screenshot({ path: `${FOLDER}viewer-${name}.png` });
  await page.close();
}

await shot("light", [1280, 760], "light", async (page) => {
  const result = page.locator(".failed").last();
  await result.locator(".fold").click();
});
await shot("dark", [1280, 760], "dark", async (page) => {
  await page.locator("#regex").click();
  await page.locator("#filter").fill("tests? (pass|fail)");
});
await shot("narrow", [400, 780], "light");
await browser.close();
await server.close();
