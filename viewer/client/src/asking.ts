import { ASK_AGAIN_MS, PATIENCE_MS } from "./limits.ts";

/** A number in [0, 1), as `Math.random` gives. */
export type Random = () => number;

/** The schedule of requests for one thing that is missing. */
export class Asking {
  /** How often it was asked for. */
  tries = 0;
  /** When to ask next. */
  next: number;

  /** @param since when the thing was first missed; the first request waits for patience to end. */
  constructor(readonly since: number) {
    this.next = since + PATIENCE_MS;
  }

  /** Whether overtaking no longer explains it. */
  patienceOver(now: number): boolean {
    return now >= this.since + PATIENCE_MS;
  }

  /** Notes that it was asked for. */
  asked(now: number, random: Random): void {
    const distance = ASK_AGAIN_MS[Math.min(this.tries, ASK_AGAIN_MS.length - 1)] as number;
    this.tries++;
    this.next = now + distance * (0.5 + random());
  }

  /** A replay brought a part and ran out of time or room: ask for the rest at once. */
  progressed(now: number): void {
    this.tries = 0;
    this.next = now;
  }
}
