import { existsSync } from "node:fs";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect } from "vitest";
import { MockServer } from "../mock/server.ts";
import { Writer } from "../mock/story.ts";
import { launch } from "./launch.ts";
import { drawn, type Opened, open } from "./page.ts";

export const badge = ".workstream:not([hidden]) .badge";
export const log = ".workstream:not([hidden]) .log";
export const empty = ".workstream:not([hidden]) .empty";
/** The key of the lowest line that is drawn. */
export const lastKey = async (page: Page) => (await drawn(page)).at(-1);

/** What a test has: a server of its own, a writer for its workstream `demo`, and a page. */
export interface Mocked {
  server: MockServer;
  writer: Writer;
  opened: Opened;
  /** Opens the page; whatever goes wrong in it fails the test. */
  look: (hash?: string, dark?: boolean) => Promise<Page>;
  /** Opens an address as it is. */
  visit: (url: string, dark?: boolean) => Promise<Page>;
}

/** Makes each test of a file begin with a fresh server; the browser is one for all. */
export function mocked(run: string): Mocked {
  let browser: Browser;
  let opened: Opened | undefined;
  const at = {
    look: (hash = "", dark = false) => at.visit(at.server.link(hash), dark),
    visit: async (url, dark = false) => {
      opened = await open(browser, url, dark);
      return opened.page;
    },
    get opened() {
      if (opened === undefined) throw new Error("no page is open");
      return opened;
    },
  } as Mocked;
  beforeAll(async () => {
    const page = new URL("../../dist/index.html", import.meta.url);
    if (!existsSync(page)) throw new Error("the page is not built\nhint: npm run build");
    browser = await launch();
  });
  afterAll(() => browser?.close());
  beforeEach(async () => {
    at.server = await MockServer.start(["demo", "docs"]);
    at.writer = new Writer("demo", run);
  });
  afterEach(async () => {
    const faults = opened?.faults ?? [];
    await opened?.context.close();
    opened = undefined;
    await at.server.close();
    expect(faults).toEqual([]);
  });
  return at;
}
