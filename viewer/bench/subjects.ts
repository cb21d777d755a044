import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { build } from "vite";
import { type WebSocket, WebSocketServer } from "ws";
import { MockServer } from "../test/mock/server.ts";
import { runAt, Writer } from "../test/mock/story.ts";

/** A page that shows a feed of lines from a local WebSocket. */
export interface Subject {
  name: string;
  url: string;
  /** In the page: whether it is ready for lines. */
  ready: string;
  /** In the page: the number of the newest line on the screen. */
  newest: string;
  /** Sends so many lines; returns the number of the last. */
  write(count: number): number;
  close(): Promise<unknown>;
}

const text = (n: number) =>
  `line ${n} of a long and talkative tool that says the same again and again`;

/** Our page, before a mock of the gateway. */
export async function ours(): Promise<Subject> {
  const server = await MockServer.start();
  const writer = new Writer("demo", runAt(Date.now()));
  server.write("demo", writer.lines(10, text));
  return {
    name: "ralph",
    url: server.link(),
    ready: 'document.querySelector("#status")?.textContent === "live"',
    newest: `(() => {
      const rows = document.querySelectorAll("[data-key]");
      return Number(rows[rows.length - 1]?.dataset.key?.split("/")[1] ?? 0);
    })()`,
    write(count) {
      server.write("demo", writer.lines(count, text));
      return writer.seq;
    },
    close: () => server.close(),
  };
}

const PEERS = fileURLToPath(new URL("peers/", import.meta.url));

/** Installs what is measured against; the viewer itself needs none of it. */
export function installPeers(): void {
  execFileSync("npm", ["ci", "--no-audit", "--no-fund"], { cwd: PEERS, stdio: "ignore" });
}

/** Builds a module for browsers, minified. */
export async function bundle(entry: string): Promise<string> {
  const built = await build({
    configFile: false,
    logLevel: "silent",
    define: { "process.env.NODE_ENV": '"production"' },
    build: {
      write: false,
      target: "es2023",
      lib: { entry, formats: ["es"], fileName: "index" },
      // Of a library, vite would leave the white space to whoever bundles it.
      rolldownOptions: { output: { minify: true } },
    },
  });
  const [output] = Array.isArray(built) ? built : [built];
  return (output as { output: { code: string }[] }).output[0]?.code ?? "";
}

/** The log component for React that follows a WebSocket by itself. */
export async function reactLogviewer(): Promise<Subject> {
  const script = await bundle(`${PEERS}react-logviewer.jsx`);
  const version = JSON.parse(readFileSync(`${PEERS}package.json`, "utf8")).dependencies[
    "@melloware/react-logviewer"
  ];
  const html =
    '<!doctype html><style>html,body,#root{height:100%;margin:0}</style><div id="root"></div><script type="module" src="index.js"></script>';
  const http = createServer((request, response) => {
    const isScript = request.url === "/index.js";
    response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
    response.end(isScript ? script : html);
  });
  const sockets = new Set<WebSocket>();
  new WebSocketServer({ server: http }).on("connection", (socket) => {
    sockets.add(socket);
    socket.send(Array.from({ length: 10 }, (_, i) => text(i + 1)).join("\n"));
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  let seq = 10;
  return {
    name: `@melloware/react-logviewer ${version}`,
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/`,
    ready: 'document.body.textContent.includes("line 10 of")',
    newest: `Number([...document.body.textContent.matchAll(/line (\\d+) of/g)].at(-1)?.[1] ?? 0)`,
    write(count) {
      // Frames of the size that ours come in.
      for (let left = count; left > 0; left -= 100) {
        const lines = Array.from({ length: Math.min(100, left) }, () => text(++seq));
        for (const socket of sockets) socket.send(lines.join("\n"));
      }
      return seq;
    },
    close: async () => {
      for (const socket of sockets) socket.terminate();
      http.closeAllConnections();
      http.close();
    },
  };
}
