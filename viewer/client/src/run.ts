import { Asking } from "./asking.ts";
import { LOST_AFTER_MS, SILENCE_MS } from "./limits.ts";
import type { Line } from "./line.ts";
import type { RunInfo, RunState } from "./protocol.ts";
import { RangeSet } from "./ranges.ts";

/** Numbers that are missing from `first` to `last`. */
export interface Hole {
  first: number;
  last: number;
  asking: Asking;
}

/** Every so many numbers a time is kept for good, so that an evicted page can be read again. */
const MARK_EVERY = 256;
/** Most raw lines whose identity is kept: a run's raw lines are few unless something is broken. */
const MAX_RAW = 20_000;

const RANK: Record<RunState, number> = { starting: 0, running: 1, waiting: 2, ended: 2, failed: 2 };

/** Whether the run's worker is gone. */
export const isOver = (state: RunState | undefined): boolean =>
  state !== undefined && RANK[state] === 2;

/** What a client knows of a run. */
export class RunView {
  /** Numbers it has. */
  readonly held = new RangeSet();
  /** Numbers it has given up. */
  readonly lost = new RangeSet();
  /** Lines it has and does not show yet, in no particular order. */
  waiting: Line[] = [];
  /** Raw lines it does not show yet. */
  waitingRaw: Line[] = [];
  /** Times of lines at the ends of what is held, and marks. */
  readonly times = new Map<number, number>();
  holes: Hole[] = [];
  /** Where the server says that the run stands. */
  info: RunInfo | undefined;
  /** Highest number the server knows. */
  serverLast = 0;
  /** Latest event time known, from the server or a line. */
  lastTs = 0;
  /** Has its last event, `run.end`. */
  hasEnd = false;
  /** The search for `run.end` after the run is known to be over. */
  end: Asking | undefined;
  /** A complete replay long after the end had nothing more. */
  endSettled = false;
  /** Was replayed whole after its end, for raw lines. */
  replayedAfterEnd = false;
  /** When its newest line came in, and how often its silence was asked about since. */
  heardAt = 0;
  silences = 0;

  readonly #raw = new Set<string>();

  /** Highest number known to exist. */
  get top(): number {
    return Math.max(this.held.max, this.serverLast);
  }

  get state(): RunState | undefined {
    return this.info?.state;
  }

  /** How many numbers are missing and not given up, once patience is over. */
  pending(now: number): number {
    let n = 0;
    for (const hole of this.holes) {
      if (hole.asking.patienceOver(now)) n += hole.last - hole.first + 1;
    }
    return n;
  }

  /** Takes what the server says; a state never goes back. */
  take(info: RunInfo, now: number): void {
    if (this.heardAt === 0) this.heardAt = now;
    this.serverLast = Math.max(this.serverLast, info.lastSeq);
    this.lastTs = Math.max(this.lastTs, info.lastTs);
    if (this.info === undefined || RANK[this.info.state] <= RANK[info.state]) this.info = info;
  }

  /** Whether a raw line is new. */
  addRaw(key: string): boolean {
    if (this.#raw.has(key)) return false;
    this.#raw.add(key);
    if (this.#raw.size > MAX_RAW) {
      // Sets iterate in order of insertion: the oldest half goes.
      let n = MAX_RAW / 2;
      for (const old of this.#raw) {
        if (n-- === 0) break;
        this.#raw.delete(old);
      }
    }
    return true;
  }

  /** Finds the holes again; a part of an old hole keeps its schedule. */
  findHoles(floor: number, now: number): void {
    const missing = this.held.missing(floor, this.top);
    if (missing.length === 0) {
      this.holes = [];
      return;
    }
    const old = this.holes;
    this.holes = [];
    for (const [first, last] of missing) {
      for (const [a, b] of this.lost.size === 0
        ? [[first, last]]
        : this.lost.missing(first, last)) {
        const hole = { first: a as number, last: b as number };
        let asking: Asking | undefined;
        for (const was of old) {
          if (was.first > hole.last || was.last < hole.first) continue;
          if (asking === undefined || was.asking.since < asking.since) asking = was.asking;
        }
        // A hole that was split is two from now on, each with its own schedule.
        const taken = this.holes.some((other) => other.asking === asking);
        this.holes.push({ ...hole, asking: copy(asking, taken) ?? new Asking(now) });
      }
    }
  }

  /** Lines that may be shown now: all below the first hole that may still be an overtaking. */
  takeShowable(now: number): Line[] {
    if (this.waitingRaw.length === 0 && this.waiting.length === 0) return [];
    const barrier = this.holes.find((hole) => !hole.asking.patienceOver(now))?.first ?? Infinity;
    const out = this.waiting.filter((line) => line.seq < barrier);
    this.waiting = barrier === Infinity ? [] : this.waiting.filter((line) => line.seq >= barrier);
    out.sort((a, b) => a.seq - b.seq);
    const raw = this.waitingRaw;
    this.waitingRaw = [];
    if (raw.length === 0) return out;
    // A raw line follows the last line that is not younger; the numbered ones keep their order.
    raw.sort((a, b) => a.ts - b.ts);
    const merged: Line[] = [];
    for (const line of out) {
      while (raw[0] !== undefined && raw[0].ts < line.ts) merged.push(raw.shift() as Line);
      merged.push(line);
    }
    return merged.concat(raw);
  }

  /** The time from which on a complete replay without `n` proves that it is lost. */
  lostFrom(n: number): number {
    let next = Infinity;
    for (const seq of this.times.keys()) if (seq >= n && seq < next) next = seq;
    return (this.times.get(next) ?? this.lastTs) + LOST_AFTER_MS;
  }

  /** A time at or before `n`'s, where reading for it may begin. */
  timeBefore(n: number): number | undefined {
    let last = 0;
    for (const seq of this.times.keys()) if (seq < n && seq > last) last = seq;
    return this.times.get(last);
  }

  /** Over, and its last event neither here nor given up. */
  get endIsMissing(): boolean {
    return isOver(this.state) && !this.hasEnd && !this.endSettled;
  }

  /**
   * Whether a complete replay asked for at `sent` proves that it has no `run.end`. Its last event's
   * time proves nothing: a run may be silent for long before it ends.
   */
  endIsSettledBy(sent: number): boolean {
    if (this.end === undefined) return false;
    return sent >= Math.max(this.lostFrom(Infinity), this.end.since + LOST_AFTER_MS);
  }

  /** When its silence is asked about next. */
  get nextSilence(): number | undefined {
    if (this.hasEnd || this.endSettled) return undefined;
    const ms = SILENCE_MS[this.silences];
    return ms === undefined ? undefined : this.heardAt + ms;
  }

  /**
   * When to ask for something of it next.
   *
   * @param asked whether a number is being asked for
   */
  askDue(floor: number, asked: (seq: number) => boolean, isNewest: boolean): number | undefined {
    let due = Infinity;
    for (const { first, asking } of this.holes) if (!asked(first)) due = Math.min(due, asking.next);
    if (!asked(Math.max(this.top + 1, floor))) {
      if (this.endIsMissing && this.end !== undefined) due = Math.min(due, this.end.next);
      if (isNewest) due = Math.min(due, this.nextSilence ?? Infinity);
    }
    return due === Infinity ? undefined : due;
  }

  /** Forgets everything up to a number: the page has let go of it. */
  forget(last: number): void {
    this.held.removeRange(1, last);
    this.lost.removeRange(1, last);
    this.holes = this.holes.filter((hole) => hole.last > last);
  }

  /** Forgets the times that bound nothing. */
  pruneTimes(): void {
    if (this.times.size < 1_024 + this.held.max / MARK_EVERY) return;
    const keep = new Set<number>();
    for (const [first, last] of this.held) keep.add(first).add(last);
    for (const seq of this.times.keys()) {
      if (seq % MARK_EVERY !== 0 && !keep.has(seq)) this.times.delete(seq);
    }
  }
}

const copy = (asking: Asking | undefined, taken: boolean): Asking | undefined => {
  if (asking === undefined || !taken) return asking;
  const own = new Asking(asking.since);
  own.tries = asking.tries;
  own.next = asking.next;
  return own;
};
