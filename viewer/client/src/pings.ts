import { PING_AFTER_MS, PING_AFTER_TASK_MS, PING_EVERY_MS } from "./limits.ts";

/**
 * When to ping: soon after catching up, which shows holes at the end, then every minute. The server
 * answers with `runs` for each workstream that the connection follows, then `pong`.
 */
export class Pings {
  /** When the next one is due; none before the first catching up, or without a connection. */
  next: number | undefined;
  #caughtUp = 0;
  #sent = 0;
  /** A ping waits for its answer, and no `runs` came since. */
  #unheard = false;
  /** When the subscription was last found to be forgotten. */
  #believed = Number.NEGATIVE_INFINITY;

  caughtUp(now: number): void {
    this.#caughtUp = now;
    this.#sent = 0;
    this.next = now + PING_AFTER_MS[0];
  }

  /** A task changed its state: the answer to a ping says where its run stands now. */
  taskChanged(now: number): void {
    if (this.next !== undefined) this.next = Math.min(this.next, now + PING_AFTER_TASK_MS);
  }

  disconnected(): void {
    this.next = undefined;
    this.#unheard = false;
  }

  /** `runs` of the workstream came. */
  heard(): void {
    this.#unheard = false;
  }

  /**
   * `pong` came: whether no `runs` preceded it, which is believed once a minute. (A server that cannot
   * list the workstream would be asked for it without end.)
   */
  forgotten(now: number): boolean {
    const forgotten = this.#unheard && now >= this.#believed + PING_EVERY_MS;
    this.#unheard = false;
    if (forgotten) this.#believed = now;
    return forgotten;
  }

  /**
   * Whether to send one now; it then counts as sent.
   *
   * @param subscribed whether the server said that it follows; if not, its silence says nothing
   */
  take(now: number, subscribed: boolean): boolean {
    if (this.next === undefined || now < this.next) return false;
    const at = this.#caughtUp + (PING_AFTER_MS[++this.#sent] ?? 0);
    this.next = at > now ? at : now + PING_EVERY_MS;
    this.#unheard = subscribed;
    return true;
  }
}
