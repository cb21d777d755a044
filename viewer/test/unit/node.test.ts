import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { MockServer } from "../mock/server.ts";
import { runAt, Writer } from "../mock/story.ts";

// The oldest Node that the package promises, brought by npm: it is the first with a WebSocket.
const OLDEST = "22.0.0";
const run = promisify(execFile);
const root = new URL("../../", import.meta.url).pathname;

let server: MockServer;
let folder: string;
beforeEach(async () => {
  server = await MockServer.start();
  folder = await mkdtemp(join(tmpdir(), "ralph-logs-"));
});
afterEach(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

test("the built package follows a workstream in the oldest Node that it promises", async () => {
  server.write("demo", new Writer("demo", runAt(1_790_000_000_000)).lines(50));
  const tsc = join(root, "node_modules/.bin/tsc");
  await run(tsc, [
    "-p",
    join(root, "client/tsconfig.build.json"),
    "--outDir",
    join(folder, "dist"),
  ]);
  await writeFile(join(folder, "package.json"), '{"type":"module"}');
  await writeFile(
    join(folder, "main.js"),
    `import { connect } from "./dist/index.js";
    const client = connect({
      url: ${JSON.stringify(server.websocketUrl)},
      token: ({ signal }) => fetch(${JSON.stringify(`${server.url}token`)}, {
        method: "POST", body: '{"workstreams":["demo"]}', signal,
        headers: { authorization: ${JSON.stringify(`Bearer ${server.secret}`)} },
      }).then((response) => response.json()).then(({ token }) => token),
    });
    const seqs = [];
    for await (const lines of client.subscribe("demo")) {
      seqs.push(...lines.map((line) => line.seq));
      if (seqs.length >= 50) client.close();
    }
    const closed = performance.now();
    process.on("exit", () => {
      const lingers = performance.now() - closed;
      console.log(JSON.stringify({ node: process.versions.node, seqs, state: client.state, lingers }));
    });`,
  );
  const node = `node-${process.platform}-${process.arch}@${OLDEST}`;
  const { stdout } = await run("npm", [
    "exec",
    "--yes",
    `--package=${node}`,
    "--",
    "node",
    join(folder, "main.js"),
  ]);
  const { lingers, ...rest } = JSON.parse(stdout);
  // After close() no timer keeps the program from ending; it ends by itself in milliseconds.
  expect(lingers).toBeLessThan(1_000);
  expect(rest).toEqual({
    node: OLDEST,
    seqs: Array.from({ length: 50 }, (_, i) => i + 1),
    state: "closed",
  });
}, 180_000);
