import { Emitter } from "./emitter.ts";
import type { Line } from "./line.ts";
import type { ClientMessage, ErrorCode, RunInfo, ServerMessage } from "./protocol.ts";
import { Rules } from "./rules.ts";
import type { Gap, Input, Output } from "./types.ts";

/**
 * How a workstream is doing.
 * - `connecting`: no connection yet
 * - `replaying`: the first page, or what came while disconnected, is on its way
 * - `live`: everything known to exist is shown
 * - `gap`: lines are missing and being asked for
 * - `stale`: the connection is gone; it is being made again
 * - `denied`: the token, or the workstream, is refused
 * - `unreachable`: three attempts in a row found no gateway or got no token; more follow
 * - `closed`: by `close()` or the signal
 */
export type StreamState =
  | "connecting"
  | "replaying"
  | "live"
  | "gap"
  | "stale"
  | "denied"
  | "unreachable"
  | "closed";

/** How a workstream is doing, with the numbers. */
export interface Status {
  state: StreamState;
  /** Lines that are missing and being asked for. */
  pending: number;
  /** Lines that CloudWatch Logs does not have. */
  lost: number;
  /** Whether `older()` would bring something. */
  hasOlder: boolean;
  /** Whether it is doing so now. */
  loadingOlder: boolean;
}

/** A subscription's events. */
export type SubscriptionEvents = {
  /**
   * Lines to show, each at its place: sorted by run and number. A later batch may hold lines that
   * belong before shown ones, when a gap was filled. A listener that returns a promise is waited
   * for before more is handed out.
   */
  lines: Line[];
  /** How it is doing, whenever that changes. */
  status: Status;
  /** What is missing or lost, whenever that changes. */
  gaps: Gap[];
  /** What the server says about the runs, in the order of their starts. */
  runs: RunInfo[];
  /** A task of the workstream changed its state. */
  task: ServerMessage & { type: "task" };
  /** The first page is complete. */
  caughtUp: undefined;
  /** The server refused a request. */
  refused: { code: ErrorCode; message: string };
};

/** The connection, as a subscription sees it. */
export interface Link {
  readonly state: "connecting" | "open" | "stale" | "denied" | "unreachable" | "closed";
  send(message: ClientMessage): void;
  leave(subscription: Subscription): void;
  /** The id of the next request: answers to an earlier subscription must not be taken for ours. */
  id(): string;
}

/** Ms, by a clock that never goes back: the wall clock may be set, and with it every schedule. */
const clock = (): number => performance.now();

/** One workstream, followed. Made by `LogClient.subscribe`. */
export class Subscription extends Emitter<SubscriptionEvents> {
  readonly #rules: Rules;
  readonly #link: Link;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;
  #refused = false;
  #status: Status = {
    state: "connecting",
    pending: 0,
    lost: 0,
    hasOlder: false,
    loadingOlder: false,
  };
  #gaps = "";

  /** @internal */
  constructor(
    readonly workstream: string,
    link: Link,
    limit?: number,
  ) {
    super();
    this.#link = link;
    const id = () => link.id();
    this.#rules = new Rules({ workstream, id, ...(limit !== undefined && { limit }) });
  }

  /** How it is doing. */
  get status(): Status {
    return this.#status;
  }

  /** Whether the server, or the token function, refuses this workstream. */
  get refused(): boolean {
    return this.#refused;
  }

  /** Lines that came although they were held: overlaps of replays, repeats of deliveries. */
  get redelivered(): number {
    return this.#rules.redelivered;
  }

  /** Asks for a page of older lines; they come as `lines`. */
  older(count?: number): void {
    if (!this.#closed) this.#carryOut(this.#rules.older(clock(), count));
  }

  /**
   * Says that the page no longer holds lines up to and with this one, so that memory stays
   * bounded; `older()` brings them back.
   */
  evict(last: { run: string; seq: number }): void {
    this.#rules.evict(last.run, last.seq);
    this.#tell();
  }

  /** Stops following. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#link.leave(this);
    this.#tell();
  }

  /** Batches of lines as they come: `for await (const lines of subscription)`. Ends with it. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Line[], void> {
    let lines: Line[] = [];
    let wake = (): void => {};
    let waiting: (() => void)[] = [];
    // Batches may come while one is read: all that wait are told, or the inbox would wait for ever.
    const taken = (): void => {
      for (const resolve of waiting) resolve();
      waiting = [];
    };
    const off = [
      this.on("lines", (batch) => {
        lines = lines.concat(batch);
        wake();
        return new Promise<void>((resolve) => waiting.push(resolve));
      }),
      this.on("status", () => wake()),
    ];
    try {
      while (!this.#closed || lines.length > 0) {
        if (lines.length === 0) {
          taken();
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
          continue;
        }
        const batch = lines;
        lines = [];
        yield batch;
      }
    } finally {
      for (const stop of off) stop();
      taken();
    }
  }

  /** @internal Takes what happened; resolves when the page has taken the lines. */
  take(input: Input): Promise<unknown>[] {
    if (this.#closed) return [];
    const { message } = input as { message?: ServerMessage };
    if (message?.type === "task" && message.workstream === this.workstream) {
      this.emit("task", message);
    }
    return this.#carryOut(this.#rules.handle(clock(), input));
  }

  /** @internal A frame was dropped unread. */
  distrust(): void {
    this.#rules.distrust();
  }

  /** @internal The connection's state changed. */
  linkChanged(): void {
    this.#tell();
  }

  #carryOut(outputs: Output[]): Promise<unknown>[] {
    let waits: Promise<unknown>[] = [];
    for (const output of outputs) {
      switch (output.type) {
        case "send":
          this.#link.send(output.message);
          break;
        case "show":
          waits = waits.concat(this.emit("lines", output.lines));
          break;
        case "runs":
          this.emit("runs", output.runs);
          break;
        case "caughtUp":
          this.emit("caughtUp", undefined);
          break;
        case "refused":
          if (output.code === "forbidden") this.#refused = true;
          this.emit("refused", { code: output.code, message: output.message });
          break;
        case "lost":
          break;
      }
    }
    this.#tell();
    this.#schedule();
    return waits;
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    const due = this.#rules.nextTick();
    if (due === undefined || this.#closed) return;
    const delay = Math.min(Math.max(due - clock(), 10), 60_000);
    this.#timer = setTimeout(() => this.take({ type: "tick" }), delay);
  }

  #tell(): void {
    const now = clock();
    const gaps = this.#rules.gaps(now);
    const key = JSON.stringify(gaps);
    if (key !== this.#gaps) {
      this.#gaps = key;
      this.emit("gaps", gaps);
    }
    const status: Status = {
      state: this.#state(now),
      pending: this.#rules.pending(now),
      lost: this.#rules.lost(),
      hasOlder: this.#rules.hasOlder,
      loadingOlder: this.#rules.loadingOlder,
    };
    const was = this.#status;
    const changed = (Object.keys(status) as (keyof Status)[]).some((k) => status[k] !== was[k]);
    if (!changed) return;
    this.#status = status;
    this.emit("status", status);
  }

  #state(now: number): StreamState {
    if (this.#closed || this.#link.state === "closed") return "closed";
    if (this.#refused || this.#link.state === "denied") return "denied";
    if (this.#link.state !== "open") return this.#link.state;
    if (this.#rules.replaying) return "replaying";
    return this.#rules.pending(now) > 0 ? "gap" : "live";
  }
}
