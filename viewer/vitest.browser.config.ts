import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import base from "./vite.config.ts";

// With RALPH_VIEW_URL the page is looked at where it is really served; without, beside the mock
// server, which can be told to misbehave.
const real = (process.env.RALPH_VIEW_URL ?? "") !== "";

export default defineConfig({
  resolve: base.resolve ?? {},
  test: {
    root: fileURLToPath(new URL(".", import.meta.url)),
    include: [real ? "test/browser/real*.test.ts" : "test/browser/mock*.test.ts"],
    // One browser at a time: what is measured against a clock must not compete with itself.
    fileParallelism: false,
    testTimeout: 60_000,
    // A machine that is busy with other things is slow, not wrong.
    expect: { poll: { timeout: 15_000 } },
    hookTimeout: 60_000,
  },
});
