import type { Floor } from "./floor.ts";
import { ANSWER_MS } from "./limits.ts";
import type { Range, Run } from "./protocol.ts";

/** What a request is for. */
export type Purpose =
  /** The first page. */
  | { kind: "page" }
  /** A run as a whole, for its raw lines. */
  | { kind: "whole"; run: Run }
  /** An older page, and the oldest line that it has brought. */
  | { kind: "before"; oldest: Floor }
  /** Numbers, and whether any have come. */
  | { kind: "ranges"; ranges: Range[]; progress: boolean };

/** A request without an answer yet. */
export type Request = Purpose & {
  sent: number;
  /** Its answer says that new lines are delivered from here on. */
  subscribes: boolean;
  /** Frames were dropped since: whatever the answer says, it is not complete. */
  distrusted?: boolean;
};

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
    this.#open.set(id, { ...purpose, sent: now, subscribes });
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

  /** Forgets those that will not be answered any more. */
  expire(now: number): void {
    for (const [id, { sent }] of this.#open) if (now >= sent + ANSWER_MS) this.#open.delete(id);
  }

  /** When the next one expires. */
  get nextExpiry(): number | undefined {
    let next: number | undefined;
    for (const { sent } of this.#open.values()) next = Math.min(next ?? Infinity, sent + ANSWER_MS);
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

  /** Whether a number is being asked for. */
  asksFor(run: Run, seq: number): boolean {
    for (const request of this.#open.values()) {
      if (request.kind !== "ranges") continue;
      for (const { run: other, from, to } of request.ranges) {
        if (other === run && from <= seq && (to === null || seq <= to)) return true;
      }
    }
    return false;
  }
}
