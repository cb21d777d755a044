import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  root: fileURLToPath(new URL("page", import.meta.url)),
  // Relative: the page works under any path of any host.
  base: "./",
  build: {
    outDir: "../dist",
    emptyOutDir: true,
    target: "es2023",
    // An inlined asset would be a `data:` URL, which the page's Content-Security-Policy refuses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  resolve: {
    alias: { "ralph-logs": fileURLToPath(new URL("client/src/index.ts", import.meta.url)) },
  },
  test: { root: fileURLToPath(new URL(".", import.meta.url)), include: ["test/unit/**/*.test.ts"] },
});
