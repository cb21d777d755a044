import { AxeBuilder } from "@axe-core/playwright";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { expect } from "vitest";

/** A page with its own context, and what went wrong in it. */
export interface Opened {
  page: Page;
  context: BrowserContext;
  /** Errors, refusals of the Content-Security-Policy, requests to hosts without a part in it. */
  faults: string[];
}

export async function open(browser: Browser, url: string, dark = false): Promise<Opened> {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 820 },
    colorScheme: dark ? "dark" : "light",
    // A bare system's locale (`C`) is not a language tag.
    locale: "en-US",
  });
  const page = await context.newPage();
  const faults: string[] = [];
  page.on("pageerror", (error) => faults.push(`error: ${error.message}`));
  page.on("console", (message) => {
    if (/Content.Security.Policy/i.test(message.text())) faults.push(message.text());
  });
  // The page's own, and those that it opens its socket to.
  const hosts = new Set<string>();
  page.on("websocket", (socket) => hosts.add(new URL(socket.url()).host));
  page.on("request", (request) => {
    const other = new URL(request.url());
    if (!other.protocol.startsWith("http")) return;
    if (hosts.size === 0) hosts.add(other.host);
    if (!hosts.has(other.host)) faults.push(`a request to another host: ${request.url()}`);
  });
  await page.goto(url);
  return { page, context, faults };
}

/** Waits until the page says that it is in this state. */
export const isState = (page: Page, words: RegExp) =>
  expect.poll(() => page.locator("#status").textContent(), { timeout: 20_000 }).toMatch(words);

/** The keys (`run/seq`) of the lines that are drawn, from top to bottom. */
export const drawn = (page: Page): Promise<string[]> =>
  page
    .locator(".workstream:not([hidden]) [data-key]")
    .evaluateAll((rows) => rows.map((row) => (row as HTMLElement).dataset.key ?? ""));

/** What is held, downloaded as the user would. */
export async function held(page: Page): Promise<{ run: string; seq?: number; text?: string }[]> {
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.locator("#download").click(),
  ]);
  const chunks: Buffer[] = [];
  for await (const chunk of await download.createReadStream()) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks)
    .toString()
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

/** No violation that axe can find. */
export async function isAccessible(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const found = violations.map(
    ({ id, nodes }) =>
      `${id}: ${nodes.map((node) => `${node.html.slice(0, 120)} ${node.any[0]?.message ?? ""}`).join(" | ")}`,
  );
  expect(found).toEqual([]);
}
