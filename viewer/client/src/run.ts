import { Asking } from "./asking.ts";
import { PATIENCE_MS, SILENCE_MS } from "./limits.ts";
import { type Line, rawKey, runStarted } from "./line.ts";
import type { Range, RawLine, ReadTo, Run, RunInfo, RunState } from "./protocol.ts";
import { RangeSet } from "./ranges.ts";
import { Times } from "./times.ts";

/** Numbers that are missing from `first` to `last`. */
export interface Hole {
  first: number;
  last: number;
  asking: Asking;
}

/** Most raw lines whose identity is kept: a run's raw lines are few unless something is broken. */
const MAX_RAW = 20_000;

const RANK: Record<RunState, number> = { starting: 0, running: 1, waiting: 2, ended: 2, failed: 2 };
/** What a newer server calls otherwise runs. */
const rank = (state: RunState): number => RANK[state] ?? RANK.running;

/** How often a run is read for its raw lines. The server may have counted too many. */
export const RAW_READINGS = 2;

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
  readonly times = new Times();
  /** In order. */
  holes: Hole[] = [];
  /** Highest number that is known to exist, held or let go of. */
  top = 0;
  /** Where the server says that the run stands. */
  info: RunInfo | undefined;
  /** Has its last event, `run.end`. */
  hasEnd = false;
  /** The search for `run.end` after the run is known to be over. */
  end: Asking | undefined;
  /** When to read it for its raw lines, once it is known that some are missing. */
  rawDue: number | undefined;
  /**
   * How often it was read for its raw lines after its end. A second time when some are still missing:
   * an answer may have lacked them.
   */
  rawReadings = 0;
  /** The newest time of raw lines that it had and let go of. */
  rawGoneUntil = Number.NEGATIVE_INFINITY;
  /** When its newest line came in, and how often its silence was asked about since. */
  heardAt: number | undefined;
  silences = 0;

  /** Raw lines that the server has counted; `undefined`: it says nothing. */
  #serverRaw: number | undefined;
  /** A complete replay from the start, long after the end, had nothing more. */
  #endSettled = false;
  /** Raw lines that it has, and their times. */
  readonly #raw = new Map<string, number>();
  /** How many raw lines it had and let go of. */
  #rawGone = 0;

  constructor(readonly run: Run) {}

  /** How many numbers are missing and not given up, once patience is over. */
  pending(now: number): number {
    let n = 0;
    for (const hole of this.holes) {
      if (now >= hole.asking.patience) n += hole.last - hole.first + 1;
    }
    return n;
  }

  /** Takes what the server says; a state never goes back. */
  take(info: RunInfo, now: number): void {
    this.heardAt ??= now;
    this.top = Math.max(this.top, info.lastSeq);
    if (info.raw !== undefined) this.#serverRaw = Math.max(this.#serverRaw ?? 0, info.raw);
    if (this.info === undefined || rank(this.info.state) <= rank(info.state)) this.info = info;
  }

  /**
   * Takes a raw line; `false` when it was there.
   *
   * @param again whether it may be one that was let go of
   */
  addRaw(line: Line, again: boolean): boolean {
    const key = rawKey(line.event as RawLine);
    if (this.#raw.has(key)) return false;
    this.#raw.set(key, line.ts);
    this.waitingRaw.push(line);
    if (again) this.#rawGone = Math.max(0, this.#rawGone - 1);
    // Maps iterate in order of insertion: the oldest half goes.
    if (this.#raw.size > MAX_RAW) this.#forgetRaw([...this.#raw.keys()].slice(0, MAX_RAW / 2));
    return true;
  }

  #forgetRaw(keys: string[]): void {
    for (const key of keys) this.#raw.delete(key);
    this.#rawGone += keys.length;
  }

  /**
   * Finds the holes again. What is left of an old one keeps its schedule, and what is missing beside it
   * is a hole of its own: it was only just missed.
   */
  findHoles(floor: number, now: number): void {
    const old = this.holes;
    this.holes = [];
    const add = (first: number, last: number, asking: Asking) => {
      if (first <= last) this.holes.push({ first, last, asking });
    };
    let i = 0;
    for (const [first, last] of this.held.missing(floor, this.top)) {
      for (const [a, b] of this.lost.missing(first, last)) {
        let next = a;
        for (; i < old.length && (old[i] as Hole).first <= b; i++) {
          const was = old[i] as Hole;
          const [from, to] = [Math.max(was.first, next), Math.min(was.last, b)];
          if (from <= to) {
            add(next, from - 1, new Asking(now));
            add(from, to, was.asking.copy());
            next = to + 1;
          }
          // The rest of it may lie in what is missing further on.
          if (was.last > b) break;
        }
        add(next, b, new Asking(now));
      }
    }
  }

  /** Lines that may be shown now: all below the first hole that may still be an overtaking. */
  takeShowable(now: number): Line[] {
    if (this.waitingRaw.length === 0 && this.waiting.length === 0) return [];
    const barrier = this.holes.find((hole) => now < hole.asking.patience)?.first ?? Infinity;
    const out = this.waiting.filter((line) => line.seq < barrier);
    this.waiting = barrier === Infinity ? [] : this.waiting.filter((line) => line.seq >= barrier);
    out.sort((a, b) => a.seq - b.seq);
    const raw = this.waitingRaw;
    this.waitingRaw = [];
    if (raw.length === 0) return out;
    // A raw line follows the last line that is not younger; the numbered ones keep their order.
    raw.sort((a, b) => a.ts - b.ts);
    const merged: Line[] = [];
    let i = 0;
    for (const line of out) {
      while (i < raw.length && (raw[i] as Line).ts < line.ts) merged.push(raw[i++] as Line);
      merged.push(line);
    }
    return merged.concat(raw.slice(i));
  }

  /**
   * Asks for a hole. Reading begins at the earlier of its neighbours' times: a worker's clock may have
   * been set back in between.
   */
  askHole({ first, last, asking }: Hole, now: number, drawn: number): Range {
    const ts = Math.min(this.#timeBefore(first), this.times.from(last + 1) ?? Infinity);
    return { run: this.run, from: first, to: last, ...asking.ask(now, ts, drawn) };
  }

  /**
   * Asks for whatever follows: the end of a run that is over, or news of one that is silent. The last
   * time that silence is asked about, the run is read from the start: its worker's clock may be ahead.
   */
  askRest(from: number, now: number, drawn: number): Range {
    const range = this.rest(from);
    if (this.silences === SILENCE_MS.length) range.ts = 0;
    const end = this.endIsMissing ? this.end : undefined;
    return end === undefined ? range : { ...range, ...end.ask(now, range.ts, drawn) };
  }

  /**
   * The first number behind all that are known. Behind the highest that there can be it is that one: the
   * server would refuse the next.
   */
  next(floor: number): number {
    return Math.min(Math.max(this.top + 1, floor), Number.MAX_SAFE_INTEGER);
  }

  /** The range of whatever follows from a number on. */
  rest(from: number): Range {
    return { run: this.run, from, to: null, ts: this.#timeBefore(from) };
  }

  /** A time at or before `seq`'s, where reading for it may begin. */
  #timeBefore(seq: number): number {
    return this.times.before(seq) ?? runStarted(this.run);
  }

  /**
   * Takes a complete answer to a range, asked for at `sent`; returns the numbers that it proves to be
   * lost. A number is given up when CloudWatch Logs has had five minutes to serve it, or says itself
   * that it will not come, and its run was read from the start.
   */
  complete(range: Range, sent: number, settled: boolean, now: number): [number, number][] {
    const lost: [number, number][] = [];
    const to = range.to ?? this.top;
    for (const { first, last, asking } of this.#holesIn(range)) {
      asking.after = undefined;
      if (!settled && !asking.isOld(sent)) continue;
      if (range.ts === 0) lost.push([Math.max(first, range.from), Math.min(last, to)]);
      else {
        asking.readFromStart();
        asking.atOnce(now);
      }
    }
    for (const [first, last] of lost) this.lost.addRange(first, last);
    if (range.to === null && this.end !== undefined) {
      this.end.after = undefined;
      if (this.end.isOld(sent)) {
        if (range.ts === 0) this.#endSettled = true;
        else this.end.atOnce(now);
      }
    }
    return lost;
  }

  /**
   * Takes an incomplete answer to a range.
   *
   * @param readTo where it stopped
   * @param progress whether to go on at once
   */
  stopped(range: Range, readTo: ReadTo | undefined, progress: boolean, now: number): void {
    const asked = this.#holesIn(range).map(({ asking }) => asking);
    if (range.to === null && this.end !== undefined) asked.push(this.end);
    for (const asking of asked) {
      if (readTo?.run === this.run) asking.stoppedAt(readTo.ts, range.ts);
      if (progress) asking.atOnce(now);
    }
  }

  #holesIn({ from, to }: Range): Hole[] {
    return this.holes.filter(({ first, last }) => last >= from && first <= (to ?? Infinity));
  }

  /** The server says that its worker is gone. */
  get rowIsOver(): boolean {
    return this.info !== undefined && rank(this.info.state) === 2;
  }

  /** Over, and its last event neither here nor given up. */
  get endIsMissing(): boolean {
    return this.rowIsOver && !this.hasEnd && !this.#endSettled;
  }

  /** Whether to ask for its end now. */
  endIsDue(now: number, drawn: number): boolean {
    if (!this.endIsMissing) return false;
    if (this.end === undefined) {
      this.end = new Asking(now);
      // All clients hear of it in the same moment.
      this.end.next += PATIENCE_MS * drawn;
    }
    return now >= this.end.next;
  }

  /** When its silence is asked about next, by a client that does so `apart` from the others. */
  nextSilence(apart: number): number {
    if (this.hasEnd || this.#endSettled || this.heardAt === undefined) return Infinity;
    return this.heardAt + (SILENCE_MS[this.silences] ?? Infinity) + apart;
  }

  /**
   * Whether it is over and the server has counted more raw lines than came. A task that died before
   * its first line may have left some that nobody could count.
   */
  get lacksRaw(): boolean {
    if (this.rawReadings >= RAW_READINGS || !(this.hasEnd || this.rowIsOver)) return false;
    if (this.#serverRaw !== undefined) return this.#serverRaw > this.#raw.size + this.#rawGone;
    return this.top === 0;
  }

  /**
   * When to ask for numbers of it next.
   *
   * @param asked the numbers that are being asked for
   * @param silence when its silence is asked about
   */
  askDue(floor: number, asked: RangeSet, silence: number): number {
    let due = Infinity;
    for (const { first, asking } of this.holes) {
      if (!asked.has(first)) due = Math.min(due, asking.next);
    }
    if (!asked.has(this.next(floor))) {
      if (this.endIsMissing && this.end !== undefined) due = Math.min(due, this.end.next);
      due = Math.min(due, silence);
    }
    return due;
  }

  /** Forgets everything up to a number: the page has let go of it, and of the raw lines before it. */
  forget(last: number): void {
    const until = last === Infinity ? last : (this.times.before(last + 1) ?? 0);
    const raw = [...this.#raw].filter(([, ts]) => ts <= until);
    for (const [, ts] of raw) this.rawGoneUntil = Math.max(this.rawGoneUntil, ts);
    this.#forgetRaw(raw.map(([key]) => key));
    this.waitingRaw = this.waitingRaw.filter(({ ts }) => ts > until);
    this.held.removeRange(1, last);
    this.lost.removeRange(1, last);
    this.waiting = this.waiting.filter(({ seq }) => seq > last);
    this.holes = this.holes.filter((hole) => hole.last > last);
    for (const hole of this.holes) hole.first = Math.max(hole.first, last + 1);
  }
}
