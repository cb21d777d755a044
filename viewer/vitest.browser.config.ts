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
    include: [real ? "test/browser/real.test.ts" : "test/browser/mock.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
