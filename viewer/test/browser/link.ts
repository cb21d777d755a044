import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout } from "node:timers/promises";

/** Bytes that pass at once: what a packet of 1,500 holds beside its headers. */
const STEP = 1_460;
const PACKET = 1_500;
/** How far the link may be behind its own rate, ms. */
const LATE_MS = 50;

/** A handshake that asks for no compression: API Gateway has none. */
const uncompressed = (request: Buffer) =>
  Buffer.from(
    request.toString("latin1").replace(/^sec-websocket-extensions:.*\r\n/im, ""),
    "latin1",
  );

/** A link to the local cloud: bytes come back as slowly as it is told to let them, or not at all. */
export class Link {
  /** The address to use in place of the cloud's. */
  readonly endpoint: string;
  /** Bytes that came back through it. */
  passed = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #bytesPerMs: number;
  /** When the bytes before have passed, ms. */
  #free = 0;
  #dead = false;

  /** @param megabits what comes back in a second, headers included, on all connections together */
  static async to(endpoint: string, megabits = Number.POSITIVE_INFINITY): Promise<Link> {
    const { port } = new URL(endpoint);
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new Link(server, Number(port), (megabits * 1e6) / 8 / 1e3);
  }

  private constructor(server: Server, port: number, bytesPerMs: number) {
    this.endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.#server = server;
    this.#bytesPerMs = bytesPerMs;
    server.on("connection", (client) => this.#join(client, connect(port, "127.0.0.1")));
  }

  #join(client: Socket, cloud: Socket): void {
    // What the cloud sends waits here, as it does at API Gateway.
    let passing = Promise.resolve();
    client.once("data", (bytes) => {
      cloud.write(uncompressed(bytes));
      client.on("data", (more) => {
        if (!this.#dead) cloud.write(more);
      });
    });
    cloud.on("data", (bytes: Buffer) => {
      passing = passing.then(() => this.#pass(bytes, client));
    });
    client.on("close", () => cloud.destroy());
    cloud.on("close", () => {
      if (!this.#dead) passing.then(() => client.destroy());
    });
    for (const socket of [client, cloud]) {
      this.#sockets.add(socket);
      // An end that is gone ends the other; nobody else needs to know.
      socket.on("error", () => socket.destroy());
    }
  }

  async #pass(bytes: Buffer, client: Socket): Promise<void> {
    for (let at = 0; at < bytes.length; at += STEP) {
      const step = bytes.subarray(at, at + STEP);
      const now = performance.now();
      // Timers are late by about a millisecond, which the next steps make up for.
      const begin = Math.max(this.#free, now - LATE_MS);
      this.#free = begin + (step.length / STEP) * (PACKET / this.#bytesPerMs);
      if (this.#free > now + 1) await setTimeout(this.#free - now);
      if (this.#dead || client.destroyed) return;
      client.write(step);
      this.passed += step.length;
    }
  }

  /** From now on nothing passes, in either direction, and nobody is told. */
  die(): void {
    this.#dead = true;
  }

  /** Ends it, with everything that is connected. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }
}
