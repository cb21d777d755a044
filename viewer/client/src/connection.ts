import { ANSWER_MS } from "./limits.ts";
import type { ClientMessage } from "./protocol.ts";
import type { Subscription } from "./subscription.ts";

/** Messages that may go out at once. The server allows 60, and pings need some of them. */
const BURST = 50;
/** Time after which one more may go out, as on the server. */
const REFILL_MS = 500;
/** Pings of several workstreams within this time are one. */
const PING_APART_MS = 1_000;
/** How long nothing at all may come after a ping before the connection counts as dead. */
const SILENCE_MS = 5_000;

/**
 * One socket: it sends no faster than the server allows, and notices when the other end is gone, which
 * the browser may not do for minutes.
 */
export class Connection {
  readonly #socket: WebSocket;
  readonly #dead: () => void;
  /** What waits to be sent, oldest first. */
  #queue: { message: ClientMessage; since: number; wanted: () => boolean }[] = [];
  #flushing: ReturnType<typeof setTimeout> | undefined;
  /** When the bucket will be full again. */
  #fullAt = 0;
  /** Who asked for the next ping. */
  #asking = new Set<Subscription>();
  #soon: ReturnType<typeof setTimeout> | undefined;
  #pinged = Number.NEGATIVE_INFINITY;
  /** Who asked for those that are not answered yet, the oldest first. */
  #asked: Set<Subscription>[] = [];
  /** Runs while a ping is not answered, from the last sign of life on. */
  #silence: ReturnType<typeof setTimeout> | undefined;
  /** Whether anything came since the last ping. */
  #alive = false;

  /** @param dead is told once that nothing comes any more */
  constructor(socket: WebSocket, dead: () => void) {
    this.#socket = socket;
    this.#dead = dead;
    socket.addEventListener("message", ({ data }) => this.#heard(data));
  }

  /** Whether messages can be sent. */
  get open(): boolean {
    return this.#socket.readyState === 1;
  }

  /**
   * Sends a message when it is its turn.
   *
   * @param wanted is asked then: what nobody waits for any more is not sent
   */
  send(message: ClientMessage, wanted: () => boolean): void {
    this.#queue.push({ message, since: performance.now(), wanted });
    if (this.#flushing === undefined) this.#flush();
  }

  /** Pings, now or in less than a second; `pong()` names `who` then. Waits for no other message. */
  ping(who?: Subscription): void {
    if (who !== undefined) this.#asking.add(who);
    const wait = this.#pinged + PING_APART_MS - performance.now();
    if (wait <= 0) this.#ping();
    else this.#soon ??= setTimeout(() => this.#ping(), wait);
  }

  /** A `pong` is handled: whose ping it answers. */
  pong(): Set<Subscription> {
    return this.#asked.shift() ?? new Set();
  }

  close(): void {
    for (const timer of [this.#flushing, this.#soon, this.#silence]) clearTimeout(timer);
    this.#queue = [];
    this.#socket.close();
  }

  #flush(): void {
    this.#flushing = undefined;
    for (let first = this.#queue[0]; first !== undefined; first = this.#queue[0]) {
      const { message, since, wanted } = first;
      const now = performance.now();
      // The rules have given up on it by now, and asked again.
      if (now < since + ANSWER_MS && wanted()) {
        const wait = this.#fullAt - now - (BURST - 1) * REFILL_MS;
        if (wait > 0) {
          this.#flushing = setTimeout(() => this.#flush(), wait);
          return;
        }
        this.#put(message);
      }
      this.#queue.shift();
    }
  }

  #ping(): void {
    if (!this.open) return;
    clearTimeout(this.#soon);
    this.#soon = undefined;
    this.#pinged = performance.now();
    this.#asked.push(this.#asking);
    this.#asking = new Set();
    this.#put({ action: "ping" });
    // The time of an earlier one that is not answered yet goes on.
    if (this.#silence !== undefined) return;
    this.#alive = false;
    this.#listen();
  }

  #put(message: ClientMessage): void {
    this.#fullAt = Math.max(this.#fullAt, performance.now()) + REFILL_MS;
    if (this.open) this.#socket.send(JSON.stringify(message));
  }

  /** A pong can be late behind a large page on a slow link; silence is what tells a dead one. */
  #listen(): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => {
      this.#silence = undefined;
      if (this.#alive) this.#ping();
      else this.#dead();
    }, SILENCE_MS);
  }

  #heard(frame: unknown): void {
    this.#alive = true;
    if (this.#silence === undefined) return;
    if (typeof frame === "string" && frame.length < 50 && frame.includes('"pong"')) {
      clearTimeout(this.#silence);
      this.#silence = undefined;
    } else this.#listen();
  }
}
