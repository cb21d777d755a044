import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import type { ClientMessage, LogEvent, RunState, SendLogs, ServerMessage } from "ralph-logs";
import { type WebSocket, WebSocketServer } from "ws";
import { Store } from "./store.ts";

const DIST = fileURLToPath(new URL("../../dist/", import.meta.url));
const MAX_FRAME = 32_768;
/** The server's limit on each connection's messages: so many at once, and one more each so many ms. */
const LIMIT = { burst: 60, refillMs: 500 };
const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".json": "application/json",
};

interface Connection {
  socket: WebSocket;
  scope: string[];
  follows: Set<string>;
  /** When its bucket will be full again. */
  fullAt: number;
}

/**
 * A server that speaks the protocol, on one free port of 127.0.0.1: the page, `config.json`, the
 * token endpoint and the WebSocket. It hands out tokens by the rules of `ralph local`: to whoever has
 * the secret, for its own workstreams. Faults are switched on by tests.
 */
export class MockServer {
  readonly stores = new Map<string, Store>();
  /** What clients sent, in order. */
  readonly received: ClientMessage[] = [];
  /** What the page's requests for tokens must carry. */
  secret: string = crypto.randomUUID();
  /** Known when it is closed, too. */
  port = 0;
  /** How often a token was asked for. */
  asked = 0;
  /** How many handshakes were made. */
  handshakes = 0;
  /** Refuse this many handshakes (`Infinity`: all). */
  refuse = 0;
  /** Answer no ping. */
  deaf = false;
  /** How many messages were refused because too many came. */
  throttled = 0;
  /** How long each answer to a request takes, ms. */
  delay = 0;
  /** Where the page is told that the WebSocket is, and the next place, if it is to move. */
  gateway: MockServer = this;
  nextGateway: MockServer | undefined;
  /** `config.json` answers this instead. */
  configStatus = 200;
  /** The token endpoint answers this instead. */
  tokenStatus = 200;
  /** Say nothing of runs when a task changes its state. */
  silentTasks = false;
  /** Served beside the page, by path. */
  readonly files = new Map<string, string>();
  /** The address of the WebSocket, if something stands before it. */
  via: string | undefined;
  /** The folder that the page is served under. */
  base = "/";
  readonly #connections = new Set<Connection>();
  readonly #tokens = new Map<string, string[]>();
  readonly #http: Server;
  readonly #sockets = new WebSocketServer({ noServer: true });
  readonly #workstreams: string[];

  private constructor(workstreams: string[]) {
    this.#workstreams = workstreams;
    this.#http = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk) => {
        body += chunk;
      });
      request.on("end", async () => {
        const { authorization } = request.headers;
        const answer = await this.#page(request.url ?? "/", body, authorization);
        const { status, type, content } = answer;
        response.writeHead(status, {
          "content-type": type,
          ...(status === 401 ? { "www-authenticate": 'Bearer realm="ralph"' } : {}),
          // As strict as a host that knows its gateway can be; browsers hold a page to both.
          "content-security-policy": `default-src 'none'; script-src 'self'; style-src 'self'; worker-src 'self'; img-src 'self'; connect-src 'self' ${this.#gateways()}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
        });
        response.end(content);
      });
    });
    this.#http.on("upgrade", (request, socket, head) => {
      const token = new URL(request.url ?? "/", "http://x").searchParams.get("token") ?? "";
      const scope = this.#tokens.get(token);
      this.#tokens.delete(token);
      this.handshakes++;
      if (scope === undefined || this.refuse > 0) {
        this.refuse--;
        socket.end("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
        return;
      }
      this.#sockets.handleUpgrade(request, socket, head, (ws) => this.#connected(ws, scope));
    });
  }

  static async start(workstreams = ["demo"], port = 0): Promise<MockServer> {
    const server = new MockServer(workstreams);
    await new Promise<void>((resolve) => server.#http.listen(port, "127.0.0.1", resolve));
    server.port = (server.#http.address() as AddressInfo).port;
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}${this.base}`;
  }
  /** The link that opens a file of the page, by default the page itself, at a route (`#/w/demo`). */
  link(fileAndRoute = ""): string {
    const [file, route = ""] = fileAndRoute.split("#");
    return `${this.url}${file}#secret=${this.secret}${route}`;
  }
  get websocketUrl(): string {
    return this.via ?? `ws://127.0.0.1:${this.port}/socket`;
  }
  get connections(): number {
    return this.#connections.size;
  }

  /** Lets the page show one more workstream, as `ralph run` does. */
  offer(workstream: string): void {
    this.#workstreams.push(workstream);
  }

  /** A token for these workstreams, good for one handshake. */
  token(workstreams: string[]): string {
    const token = crypto.randomUUID();
    this.#tokens.set(token, workstreams);
    return token;
  }

  store(workstream: string): Store {
    const store = this.stores.get(workstream) ?? new Store();
    this.stores.set(workstream, store);
    return store;
  }

  /** Writes events: stored and delivered. */
  write(workstream: string, events: LogEvent[]): void {
    this.deliver(workstream, this.store(workstream).write(events));
  }

  /** Delivers events live, stored or not. */
  deliver(workstream: string, events: LogEvent[]): void {
    for (const event of events) this.store(workstream).saw(event);
    for (const connection of this.#connections) {
      if (connection.follows.has(workstream)) {
        this.#lines(connection, { type: "logs", workstream, source: "live", events });
      }
    }
  }

  /** Tells where the runs stand, as a task-state event makes the server do. */
  state(workstream: string, run: string, state: RunState, reason?: string): void {
    const change = reason === undefined ? { state } : { state, reason };
    this.store(workstream).run(run, change);
    const status = state === "failed" || state === "ended" ? "STOPPED" : "RUNNING";
    const task: ServerMessage = { type: "task", workstream, run, status };
    if (reason !== undefined) Object.assign(task, { reason });
    for (const connection of this.#connections) {
      if (!connection.follows.has(workstream)) continue;
      this.#send(connection, task);
      if (!this.silentTasks) this.#runs(connection, workstream);
    }
  }

  /** Sends a frame as it is to every connection. */
  frame(text: string): void {
    for (const { socket } of this.#connections) socket.send(text);
  }

  /** Cuts every connection, as the gateway does. */
  cut(): void {
    for (const { socket } of this.#connections) socket.terminate();
  }

  async close(): Promise<void> {
    this.cut();
    this.#http.closeAllConnections();
    await new Promise((resolve) => this.#http.close(resolve));
  }

  /** Sources of the page's policy: each gateway, for the socket and for the question whether it is there. */
  #gateways(): string {
    return [this.gateway, this.nextGateway]
      .flatMap((gateway) => gateway?.websocketUrl ?? [])
      .map((url) => new URL(url).host)
      .map((host) => `ws://${host} http://${host}`)
      .join(" ");
  }

  async #page(url: string, body: string, authorization: string | undefined) {
    const whole = normalize(new URL(url, "http://x").pathname);
    const path = whole.startsWith(this.base) ? `/${whole.slice(this.base.length)}` : "/nowhere";
    const json = (value: unknown, status = 200) => ({
      status,
      type: "application/json",
      content: JSON.stringify(value) as string | Buffer,
    });
    if (path === "/config.json") {
      if (this.configStatus !== 200) return json({}, this.configStatus);
      return json({
        websocketUrl: this.gateway.websocketUrl,
        tokenEndpoint: `${this.base}token`,
        workstreams: this.#workstreams,
        otherWorkstreams: "name it when you start the page",
      });
    }
    if (path === "/token") {
      this.asked++;
      if (this.tokenStatus !== 200) return json({}, this.tokenStatus);
      if (authorization !== `Bearer ${this.secret}`) return json({}, 401);
      const { workstreams } = JSON.parse(body) as { workstreams: string[] };
      if (!workstreams.every((name) => this.#workstreams.includes(name))) return json({}, 403);
      return json({ token: this.gateway.token(workstreams) });
    }
    const own = this.files.get(path);
    if (own !== undefined) return { status: 200, type: TYPES[extname(path)] ?? "", content: own };
    try {
      const file = path === "/" ? "/index.html" : path;
      const content = await readFile(join(DIST, file));
      return { status: 200, type: TYPES[extname(file)] ?? "application/octet-stream", content };
    } catch {
      return json({ error: "not found" }, 404);
    }
  }

  #connected(socket: WebSocket, scope: string[]): void {
    const connection: Connection = { socket, scope, follows: new Set(), fullAt: 0 };
    this.#connections.add(connection);
    socket.on("close", () => this.#connections.delete(connection));
    socket.on("message", (data) => {
      const message = JSON.parse(String(data)) as ClientMessage;
      this.received.push(message);
      if (this.#isLimited(connection, message)) return;
      if (message.action === "ping") {
        if (this.deaf) return;
        for (const workstream of connection.follows) this.#runs(connection, workstream);
        this.#send(connection, { type: "pong" });
      } else if (message.action === "sendLogs") {
        if (this.delay === 0) this.#answer(connection, message);
        else setTimeout(() => this.#answer(connection, message), this.delay);
      }
    });
  }

  #isLimited(connection: Connection, message: ClientMessage): boolean {
    const now = performance.now();
    const fullAt = Math.max(connection.fullAt, now) + LIMIT.refillMs;
    const retryAfterMs = Math.ceil(fullAt - now - LIMIT.burst * LIMIT.refillMs);
    if (retryAfterMs <= 0) {
      connection.fullAt = fullAt;
      return false;
    }
    this.throttled++;
    const { id, workstream } = message as Partial<SendLogs>;
    const about = {
      ...(id !== undefined && { id }),
      ...(workstream !== undefined && { workstream }),
    };
    const error = { type: "error", code: "throttled", message: "too many requests" } as const;
    this.#send(connection, { ...error, ...about, retryAfterMs });
    return true;
  }

  #answer(connection: Connection, ask: SendLogs): void {
    const { workstream, id } = ask;
    const tag = id === undefined ? {} : { id };
    if (!connection.scope.includes(workstream) && !connection.scope.includes("*")) {
      const message = `the token does not cover ${workstream}`;
      this.#send(connection, { type: "error", ...tag, workstream, code: "forbidden", message });
      return;
    }
    const stays = ask.ranges !== undefined || ask.before !== undefined;
    const follow = ask.follow ?? (stays ? connection.follows.has(workstream) : true);
    if (follow) connection.follows.add(workstream);
    else connection.follows.delete(workstream);
    this.#runs(connection, workstream);
    const { events, complete, cursor } = this.store(workstream).read(ask);
    this.#lines(connection, { type: "logs", ...tag, workstream, source: "replay", events });
    this.#runs(connection, workstream);
    const settled = complete && this.store(workstream).isSettled(ask);
    const rest = { complete, cursor, ...(settled && { settled }) };
    this.#send(connection, { type: "caughtUp", ...tag, workstream, ...rest });
  }

  #runs(connection: Connection, workstream: string): void {
    const runs = this.store(workstream).infos();
    this.#send(connection, { type: "runs", workstream, runs });
  }

  /** Sends lines in frames of at most 32 KB. */
  #lines(connection: Connection, logs: ServerMessage & { type: "logs" }): void {
    let events: LogEvent[] = [];
    let size = 200;
    for (const event of logs.events) {
      const bytes = Buffer.byteLength(JSON.stringify(event)) + 1;
      if (size + bytes > MAX_FRAME && events.length > 0) {
        this.#send(connection, { ...logs, events });
        events = [];
        size = 200;
      }
      events.push(event);
      size += bytes;
    }
    if (events.length > 0) this.#send(connection, { ...logs, events });
  }

  #send(connection: Connection, message: ServerMessage): void {
    connection.socket.send(JSON.stringify(message));
  }
}
