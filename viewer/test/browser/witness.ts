import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocketServer } from "ws";

/**
 * A server that lets every page do everything, as MiniStack does without its guard: an attack that
 * does not succeed here proves nothing elsewhere. It also serves the attacking page.
 */
export class Witness {
  /** What arrived: method and path. */
  readonly arrived: string[] = [];
  readonly port: number;
  readonly #http: Server;
  readonly #sockets: WebSocketServer;

  private constructor(http: Server) {
    this.#http = http;
    this.port = (http.address() as AddressInfo).port;
    this.#sockets = new WebSocketServer({ server: http });
    this.#sockets.on("connection", (_, { url }) => this.arrived.push(`socket ${url}`));
    http.on("request", ({ method, url, headers }, response) => {
      if (method !== "OPTIONS") this.arrived.push(`${method} ${url}`);
      const image = headers.accept?.startsWith("image/");
      response.writeHead(200, {
        "access-control-allow-origin": "*",
        "access-control-allow-headers": "*, authorization",
        "content-type":
          url === "/attack" ? "text/html" : image ? "image/svg+xml" : "text/javascript",
      });
      const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>';
      response.end(url === "/attack" ? PAGE : image ? svg : "/* anything */");
    });
  }

  static async start(): Promise<Witness> {
    const http = createServer();
    await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
    return new Witness(http);
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#http.closeAllConnections();
    await new Promise((resolve) => this.#http.close(resolve));
  }
}

/** The attacking page; its script comes from outside. */
export const PAGE = "<!doctype html><title>another site</title>";
