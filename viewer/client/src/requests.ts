import type { Floor } from "./floor.ts";
import { ANSWER_MS } from "./limits.ts";
import type { Range, Run } from "./protocol.ts";
import { RangeSet } from "./ranges.ts";

/** What a request is for. */
export type Purpose =
  /** The first page. */
  | { kind: "page" }
  /** A page of older lines, and the oldest event that it has brought. */
  | { kind: "before"; oldest: Floor }
  /** Numbers of runs. */
  | { kind: "ranges"; ranges: Range[] }
  /** The raw lines of a run that is over, and how many lines to read at most. */
  | { kind: "raw"; run: Run; left: number };

/** A request without an answer yet. */
export type Request = Purpose & {
  sent: number;
  /** When it was sent, or the last lines of its answer came. */
  heard: number;
  /** Its answer says that new lines are delivered from here on. */
  subscribes: boolean;
  /** How many lines it has brought, held before or not. */
  came: number;
  /** Whether one of them was not held. */
  progress: boolean;
  /** Whether it has brought an event from below the floor. */
  below: boolean;
  /** The run of the last event that it has brought, and whether that lies below the floor. */
  last?: { run: Run; isBelow: boolean };
  /** A frame was dropped unread since: whatever the answer says, it is not complete. */
  distrusted: boolean;
};

const expiry = ({ heard }: Request): number => heard + ANSWER_MS;

/** The requests that are under way on one connection. */
export class Requests {
  readonly #open = new Map<string, Request>();
  readonly #id: () => string;

  /** @param id gives each request its id; by default they count from 1 */
  constructor(id?: () => string) {
    let last = 0;
    this.#id = id ?? (() => String(++last));
  }

  /** Notes a request; returns its id. */
  add(purpose: Purpose, now: number, subscribes: boolean): string {
    const id = this.#id();
    const nothing = { came: 0, progress: false, below: false, distrusted: false };
    this.#open.set(id, { ...purpose, sent: now, heard: now, subscribes, ...nothing });
    return id;
  }

  get(id: string | undefined): Request | undefined {
    return id === undefined ? undefined : this.#open.get(id);
  }

  /** Takes one out: it is answered. */
  take(id: string | undefined): Request | undefined {
    const request = this.get(id);
    if (request !== undefined) this.#open.delete(id as string);
    return request;
  }

  /** Forgets all: their connection is gone. */
  clear(): void {
    this.#open.clear();
  }

  /** Forgets those of a kind. */
  forget(kind: Purpose["kind"]): void {
    for (const [id, request] of this.#open) if (request.kind === kind) this.#open.delete(id);
  }

  /** Forgets those that will not be answered any more. */
  expire(now: number): void {
    for (const [id, request] of this.#open) if (now >= expiry(request)) this.#open.delete(id);
  }

  /** When the next one expires. */
  get nextExpiry(): number | undefined {
    let next: number | undefined;
    for (const request of this.#open.values()) next = Math.min(next ?? Infinity, expiry(request));
    return next;
  }

  /** A frame was dropped unread. */
  distrust(): void {
    for (const request of this.#open.values()) request.distrusted = true;
  }

  has(kind: Purpose["kind"]): boolean {
    for (const request of this.#open.values()) if (request.kind === kind) return true;
    return false;
  }

  /** Whether one that subscribes is under way. */
  get subscribing(): boolean {
    for (const request of this.#open.values()) if (request.subscribes) return true;
    return false;
  }

  /** The numbers of a run that are being asked for. */
  asked(run: Run): RangeSet {
    const asked = new RangeSet();
    for (const request of this.#open.values()) {
      if (request.kind !== "ranges") continue;
      for (const { run: other, from, to } of request.ranges) {
        if (other === run) asked.addRange(from, to ?? Infinity);
      }
    }
    return asked;
  }
}
