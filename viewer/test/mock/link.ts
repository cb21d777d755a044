import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** Stands between a client and a server, and does to their bytes what networks do. */
export class Link {
  /** Lets nothing through any more, in either direction, and closes nothing. */
  swallow = false;
  /** Bytes that come back from the server in a second. */
  bytesPerSecond = Number.POSITIVE_INFINITY;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(port: number) {
    this.#server = createServer((client) => {
      const server = connect(port, "127.0.0.1");
      for (const socket of [client, server]) {
        this.#sockets.add(socket);
        socket.on("error", () => {});
        socket.on("close", () => {
          this.#sockets.delete(socket);
          client.destroy();
          server.destroy();
        });
      }
      client.on("data", (chunk) => this.swallow || server.write(chunk));
      server.on("data", async (chunk: Buffer) => {
        server.pause();
        for (let at = 0; at < chunk.length && !this.swallow; at += 2_000) {
          const part = chunk.subarray(at, at + 2_000);
          client.write(part);
          const ms = (part.length / this.bytesPerSecond) * 1_000;
          if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
        }
        server.resume();
      });
    });
  }

  /** Listens on a free port of 127.0.0.1. */
  static async start(port: number): Promise<Link> {
    const link = new Link(port);
    await new Promise<void>((resolve) => link.#server.listen(0, "127.0.0.1", resolve));
    return link;
  }

  get websocketUrl(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}/socket`;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
