import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { build } from "vite";
import { raw } from "../mock/store.ts";
import { runAt } from "../mock/story.ts";
import base from "../../vite.config.ts";
import { mocked } from "./mocked.ts";

// What the README shows is built and run as a front end would.

const run = runAt(1_790_000_000_000);
const at = mocked(run);
const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));

async function bundle(entry: string): Promise<string> {
  const built = await build({
    configFile: false,
    logLevel: "silent",
    resolve: base.resolve ?? {},
    define: { "process.env.NODE_ENV": '"development"' },
    build: {
      write: false,
      target: "es2023",
      lib: { entry: path(`../examples/${entry}`), formats: ["es"], fileName: "example" },
    },
  });
  const [output] = Array.isArray(built) ? built : [built];
  return (output as { output: { code: string }[] }).output[0]?.code ?? "";
}

test.each(["react.tsx", "plain.js"])(
  "the example %s shows each line once, in order",
  async (name) => {
    const readme = readFileSync(path("../../client/README.md"), "utf8");
    expect(readme).toContain(readFileSync(path(`../../client/examples/${name}`), "utf8"));
    at.server.files.set("/example.js", await bundle(name));
    at.server.files.set(
      "/example.html",
      '<!doctype html><title>example</title><script type="module" src="example.js"></script>',
    );
    at.server.write("demo", [at.writer.start(), ...at.writer.lines(20)]);
    const page = await at.look("example.html");
    const items = page.locator("li");
    await expect.poll(() => items.count()).toBe(21);
    // 22 is late; the raw line belongs to the end.
    const [late, ...more] = at.writer.lines(3);
    at.server.store("demo").write([late as NonNullable<typeof late>]);
    at.server.write("demo", [...more, raw(run, "the task stopped")]);
    await expect.poll(() => items.count()).toBe(25);
    const numbers = Array.from({ length: 23 }, (_, i) => `line ${i + 2}`);
    await expect
      .poll(() => items.allTextContents())
      .toEqual(["run.start", ...numbers, "the task stopped"]);
    await expect.poll(() => page.getByRole("status").textContent()).toBe("live");
    at.server.write("demo", [at.writer.event("spend", at.writer.spend())]);
    await expect.poll(() => items.count()).toBe(26);
    expect(await page.locator("li:visible").count()).toBe(25);
  },
);
