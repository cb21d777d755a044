import { readFrame } from "./frame.ts";
import type { Input } from "./types.ts";

/** Bytes (UTF-16 units) of frames that may wait. */
const MAX_QUEUED = 32 * 1024 * 1024;
/** How long frames are handled in one go, so that a page can draw in between. */
const SLICE_MS = 8;

/** What is handled: a message, or the gateway's own frame, which has no type. */
export type Message = (Input & { type: "message" })["message"];

/**
 * The frames that have come and are not handled yet. A browser's WebSocket cannot be told to slow
 * down, so frames wait here while the page is busy; when too many do, frames of lines are dropped.
 * What was dropped is a hole like any other and is asked for when there is room.
 */
export class Inbox {
  #queue: string[] = [];
  #at = 0;
  #size = 0;
  #running = false;
  readonly #handle: (message: Message) => Promise<unknown>[];
  readonly #dropped: () => void;
  readonly #max: number;

  /**
   * @param handle takes a message and returns what to wait for before the next one
   * @param dropped is told that a frame was dropped, or could not be read or handled
   */
  constructor(
    handle: (message: Message) => Promise<unknown>[],
    dropped: () => void,
    max = MAX_QUEUED,
  ) {
    this.#handle = handle;
    this.#dropped = dropped;
    this.#max = max;
  }

  /** Takes a frame; the server sends only text, so any other is dropped. */
  put(frame: unknown): void {
    if (typeof frame !== "string") {
      this.#dropped();
      return;
    }
    if (this.#size + frame.length > this.#max && frame.includes('"type":"logs"')) {
      this.#dropped();
      return;
    }
    this.#queue.push(frame);
    this.#size += frame.length;
    if (!this.#running) this.#run();
  }

  /** Forgets what waits. */
  clear(): void {
    this.#queue = [];
    this.#at = 0;
    this.#size = 0;
  }

  async #run(): Promise<void> {
    this.#running = true;
    let until = performance.now() + SLICE_MS;
    while (this.#at < this.#queue.length) {
      const frame = this.#queue[this.#at] as string;
      this.#queue[this.#at++] = "";
      this.#size -= frame.length;
      if (this.#at > 256 && this.#at * 2 > this.#queue.length) {
        this.#queue.splice(0, this.#at);
        this.#at = 0;
      }
      const waits = this.#one(frame);
      if (waits.length > 0) await Promise.all(waits);
      // A hidden page draws nothing, and browsers let its timers wait for a second and more.
      if (performance.now() > until && globalThis.document?.hidden !== true) {
        await new Promise((resolve) => setTimeout(resolve));
        until = performance.now() + SLICE_MS;
      }
    }
    this.clear();
    this.#running = false;
  }

  /** One frame that cannot be read or handled must not keep the next ones from it. */
  #one(frame: string): Promise<unknown>[] {
    const message = readFrame(frame);
    if (message === "unknown") return [];
    try {
      if (message !== "unreadable") return this.#handle(message === "gateway" ? {} : message);
    } catch (error) {
      // For developers to see. Uncaught, it would end a program that runs in Node.
      (globalThis.reportError ?? console.error)(error);
    }
    this.#dropped();
    return [];
  }
}
