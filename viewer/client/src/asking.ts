import { ASK_AGAIN_MS, LOST_AFTER_MS, PATIENCE_MS } from "./limits.ts";
import type { Range } from "./protocol.ts";

/** A number in [0, 1), as `Math.random` gives. */
export type Random = () => number;

/** The schedule of requests for one thing that is missing. */
export class Asking {
  /** When to ask next. */
  next: number;
  /** Where an incomplete answer stopped, for `Range.after`. */
  after: number | undefined;
  /** How often it was asked for. */
  #tries = 0;
  /** Whether its run is read from the start for it. */
  #fromStart = false;

  /** @param since when the thing was first missed; the first request waits for patience to end. */
  constructor(readonly since: number) {
    this.next = since + PATIENCE_MS;
  }

  /** Until when overtaking may explain it. */
  get patience(): number {
    return this.since + PATIENCE_MS;
  }

  /** Whether CloudWatch Logs would serve it by `now` if it had it. */
  isOld(now: number): boolean {
    return now >= this.since + LOST_AFTER_MS;
  }

  /**
   * Asks at `now`: from where the last answer stopped, or else from `ts`; from the start of the run
   * once it can be given up.
   *
   * @param drawn a random number in [0, 1). What is asked for with the same one stays together
   */
  ask(now: number, ts: number, drawn: number): Pick<Range, "ts" | "after"> {
    if (this.isOld(now)) this.readFromStart();
    const distance = ASK_AGAIN_MS[Math.min(this.#tries, ASK_AGAIN_MS.length - 1)] as number;
    this.#tries++;
    this.next = now + distance * (0.5 + drawn);
    const begin = { ts: this.#fromStart ? 0 : ts };
    return this.after === undefined ? begin : { ...begin, after: this.after };
  }

  /** Reads the run from the start from now on; what was read so far began later. */
  readFromStart(): void {
    if (!this.#fromStart) this.after = undefined;
    this.#fromStart = true;
  }

  /** An answer stopped there, of a reading that began at `ts`: it counts only if that was early enough. */
  stoppedAt(after: number, ts: number): void {
    if (ts === 0 || !this.#fromStart) this.after = after;
  }

  /** Asks at once: the last answer brought a part, or raised a doubt. */
  atOnce(now: number): void {
    this.#tries = 0;
    this.next = now;
  }

  /** Another thing with the same past: a part of a hole. */
  copy(): Asking {
    const copy = new Asking(this.since);
    copy.next = this.next;
    copy.after = this.after;
    copy.#tries = this.#tries;
    copy.#fromStart = this.#fromStart;
    return copy;
  }
}
