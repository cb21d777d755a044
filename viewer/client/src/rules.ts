import { Asking, type Random } from "./asking.ts";
import { type Floor, floorOf, START, same } from "./floor.ts";
import * as limits from "./limits.ts";
import { type Line, rawKey, readLine, runStarted } from "./line.ts";
import { Pings } from "./pings.ts";
import type { Range, RawLine, Run, RunInfo, SendLogs, ServerMessage } from "./protocol.ts";
import { type Purpose, type Request, Requests } from "./requests.ts";
import { type Hole, isOver, RunView } from "./run.ts";
import type { Gap, Input, Output, RulesOptions } from "./types.ts";

/**
 * The client's rules for one workstream, as a pure state machine: told the time and what came in,
 * it says what to show and what to send. It holds ranges of numbers per run, drops what it has,
 * waits at a hole, asks for exactly what is missing, and says what is lost.
 */
export class Rules {
  readonly #options: RulesOptions;
  readonly #random: Random;
  /** In the order of their ids, which is the order of their starts. */
  #runs = new Map<Run, RunView>();
  #order: Run[] = [];
  #floor: Floor;
  #cursor: string | null = null;
  /** The floor that the cursor continues from: evicted lines lie between it and the floor. */
  #cursorAt: Floor;
  #connected = false;
  /** Whether a request that subscribes was answered on this connection. */
  #subscribed = false;
  /** When something happened last. */
  #now = 0;
  readonly #requests: Requests;
  #quietUntil = 0;
  #earlySince: number | undefined;
  readonly #pings = new Pings();
  #refused = false;
  #redelivered = 0;
  #runsChanged = false;

  constructor(options: RulesOptions) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
    this.#requests = new Requests(options.id);
  }

  /** Lines that came although they were held. */
  get redelivered(): number {
    return this.#redelivered;
  }

  /** Whether a subscription's replay is under way. */
  get replaying(): boolean {
    return this.#floor === undefined || !this.#subscribed;
  }

  /** Whether lines older than what is held may exist. */
  get hasOlder(): boolean {
    return this.#cursor !== null || !same(this.#floor, this.#cursorAt);
  }

  /** Whether older lines are on their way. */
  get loadingOlder(): boolean {
    return this.#requests.has("before");
  }

  /** What the server says about the runs, in their order. */
  get runs(): RunInfo[] {
    return this.#order.flatMap((run) => this.#view(run).info ?? []);
  }

  /** How many numbers of a run (or of all) are missing, once patience is over. */
  pending(now: number, run?: Run): number {
    return this.#sum(run, (view) => view.pending(now));
  }

  /** How many numbers of a run (or of all) are lost. */
  lost(run?: Run): number {
    return this.#sum(run, (view) => view.lost.size);
  }

  /** What is missing or lost, in order; holes that may still be an overtaking are left out. */
  gaps(now: number): Gap[] {
    const out: Gap[] = [];
    for (const run of this.#order) {
      const view = this.#view(run);
      for (const [from, to] of view.lost) out.push({ run, from, to, state: "lost" });
      for (const { first, last, asking } of view.holes) {
        if (asking.patienceOver(now)) out.push({ run, from: first, to: last, state: "pending" });
      }
    }
    return out.sort((a, b) => (a.run < b.run ? -1 : a.run > b.run ? 1 : a.from - b.from));
  }

  /** When a tick is due, ms since the epoch, if nothing else comes in before. */
  nextTick(): number | undefined {
    let due = this.#earlySince === undefined ? Infinity : this.#earlySince + limits.PATIENCE_MS;
    const at = (ms: number | undefined) => {
      if (ms !== undefined && ms < due) due = ms;
    };
    for (const view of this.#runs.values()) {
      for (const { asking } of view.holes) {
        if (!asking.patienceOver(this.#now)) at(asking.since + limits.PATIENCE_MS);
      }
    }
    if (this.#connected && !this.#refused) {
      at(this.#pings.next);
      at(this.#requests.nextExpiry);
      // While the server wants to be left alone, nothing is asked for, whatever is due.
      if (this.#quietUntil > this.#now) at(this.#quietUntil);
      else if (this.#floor !== undefined) for (const run of this.#order) at(this.#askDue(run));
    }
    return due === Infinity ? undefined : due;
  }

  /** When to ask for something of a run next. */
  #askDue(run: Run): number | undefined {
    const floor = floorOf(this.#floor, run);
    if (floor === undefined) return undefined;
    const asked = (seq: number) => this.#requests.asksFor(run, seq);
    return this.#view(run).askDue(floor, asked, run === this.#order.at(-1));
  }

  /** Takes what happened at `now` (ms since the epoch) and says what to do. */
  handle(now: number, input: Input): Output[] {
    const out: Output[] = [];
    this.#now = now;
    switch (input.type) {
      case "connected":
        this.#connected = true;
        this.#subscribed = false;
        this.#requests.clear();
        if (!this.#refused) this.#subscribe(now, out);
        break;
      case "disconnected":
        this.#connected = false;
        this.#subscribed = false;
        this.#requests.clear();
        this.#pings.disconnected();
        break;
      case "message":
        this.#message(now, input.message, out);
        break;
    }
    this.#settle(now, out);
    return out;
  }

  /**
   * Asks for a page of older lines. Nothing happens while one is under way, while disconnected, or
   * when there are none.
   */
  older(now: number, count = this.#options.limit ?? limits.DEFAULT_LIMIT): Output[] {
    const out: Output[] = [];
    const floor = this.#floor;
    if (!this.#connected || floor === undefined || !this.hasOlder || this.loadingOlder) return out;
    if (same(floor, this.#cursorAt)) {
      const before = this.#cursor as string;
      this.#send(now, { kind: "before", oldest: undefined }, { before, limit: count }, out);
      return out;
    }
    // What was evicted has known numbers: lowering the floor makes them a hole, asked for at once.
    const target = this.#cursorAt ?? START;
    let { run, seq } = floor as { run: Run; seq: number };
    while (seq <= 1 || run === "") {
      const i = this.#order.findLastIndex((other) => other < run);
      const before = this.#order[i];
      if (before === undefined || before < (target as { run: Run }).run) {
        this.#floor = target;
        return out;
      }
      run = before;
      seq = this.#view(run).top + 1;
    }
    const lowest = run === target?.run ? target.seq : 1;
    const from = Math.max(lowest, seq - count);
    this.#floor = from === lowest && run === target?.run ? target : { run, seq: from };
    const view = this.#view(run);
    const asking = new Asking(now - limits.PATIENCE_MS);
    if (from < seq) view.holes.unshift({ first: from, last: seq - 1, asking });
    this.#settle(now, out);
    return out;
  }

  /** The page let go of everything up to `(run, seq)`: it is no longer held, nor missed. */
  evict(run: Run, seq: number): void {
    if (this.#floor === undefined) return;
    const floor = { run, seq: seq + 1 };
    if (this.#floor.run > run || (this.#floor.run === run && this.#floor.seq >= floor.seq)) return;
    this.#floor = floor;
    for (const [other, view] of this.#runs) {
      if (other > run) continue;
      const last = other === run ? seq : Math.max(view.top, seq);
      view.forget(last);
    }
  }

  /** A frame was dropped unread: the answers under way are not complete, whatever they say. */
  distrust(): void {
    this.#requests.distrust();
  }

  #view(run: Run): RunView {
    let view = this.#runs.get(run);
    if (view === undefined) {
      view = new RunView();
      this.#runs.set(run, view);
      const i = this.#order.findLastIndex((other) => other < run);
      this.#order.splice(i + 1, 0, run);
    }
    return view;
  }

  #sum(run: Run | undefined, of: (view: RunView) => number): number {
    if (run !== undefined) {
      const view = this.#runs.get(run);
      return view === undefined ? 0 : of(view);
    }
    let sum = 0;
    for (const view of this.#runs.values()) sum += of(view);
    return sum;
  }

  #subscribe(now: number, out: Output[]): void {
    const { overlap = 0, limit = limits.DEFAULT_LIMIT } = this.#options;
    const newest = this.#order.at(-1);
    if (this.#floor === undefined || newest === undefined) {
      this.#send(now, { kind: "page" }, { limit }, out);
      return;
    }
    const view = this.#view(newest);
    const floor = floorOf(this.#floor, newest) ?? 1;
    const last = Math.max(view.held.max, floor - 1);
    const from = Math.max(1, last + 1 - overlap);
    const ts = view.timeBefore(from) ?? runStarted(newest);
    const ranges = [{ run: newest, from, to: null, ts }];
    const ask = { follow: true, ranges, limit: limits.MAX_LIMIT };
    this.#send(now, { kind: "ranges", ranges, progress: false }, ask, out);
  }

  #send(now: number, purpose: Purpose, ask: Partial<SendLogs>, out: Output[]): void {
    const subscribes = ask.follow === true || purpose.kind === "page";
    const id = this.#requests.add(purpose, now, subscribes);
    const { workstream } = this.#options;
    out.push({ type: "send", message: { action: "sendLogs", id, workstream, ...ask } });
  }

  #message(now: number, message: ServerMessage | { type?: undefined }, out: Output[]): void {
    const { workstream } = this.#options;
    if ("workstream" in message && message.workstream !== undefined) {
      if (message.workstream !== workstream) return;
    }
    switch (message.type) {
      case "logs": {
        const request = this.#requests.get(message.id);
        for (const event of message.events) this.#event(now, event, request);
        break;
      }
      case "runs":
        for (const info of message.runs) {
          this.#view(info.run).take(info, now);
          this.#runsChanged = true;
        }
        break;
      case "caughtUp": {
        const request = this.#requests.take(message.id);
        if (request === undefined) break;
        const complete = message.complete && !request.distrusted;
        this.#answered(now, request, complete, message.cursor, out);
        break;
      }
      case "task":
        this.#pings.taskChanged(now);
        break;
      case "error":
        this.#error(now, message, out);
        break;
      case undefined:
        // The gateway's own fault: which request it is about is not said, so all are made again.
        this.#requests.clear();
        this.#quietUntil = Math.max(this.#quietUntil, now + limits.FAULT_MS);
        break;
    }
  }

  #error(now: number, error: ServerMessage & { type: "error" }, out: Output[]): void {
    const mine = this.#requests.take(error.id) !== undefined;
    if (!mine && error.workstream === undefined) return;
    if (error.code === "forbidden") this.#refused = true;
    const wait = error.retryAfterMs ?? limits.FAULT_MS;
    this.#quietUntil = Math.max(this.#quietUntil, now + wait);
    if (error.code === "forbidden" || error.code === "badRequest") {
      out.push({ type: "refused", code: error.code, message: error.message });
    }
  }

  #event(now: number, value: unknown, request: Request | undefined): void {
    const line = readLine(value, this.#options.workstream);
    if (line === undefined) return;
    const page = request?.kind === "before";
    const floor = floorOf(this.#floor, line.run);
    const known = this.#floor !== undefined && !page;
    if (line.seq === 0) {
      if (known && this.#isHistory(line, floor)) return;
      const view = this.#view(line.run);
      if (view.heardAt === 0) view.heardAt = now;
      if (view.addRaw(rawKey(line.event as RawLine))) view.waitingRaw.push(line);
      else this.#redelivered++;
      return;
    }
    // History that was not asked for: a replay that reads more than it must, or a late copy of
    // what the page has let go.
    if (known && (floor === undefined || line.seq < floor)) return;
    const view = this.#view(line.run);
    if (!view.held.add(line.seq)) {
      this.#redelivered++;
      return;
    }
    view.lost.removeRange(line.seq, line.seq);
    view.times.set(line.seq, line.ts);
    view.lastTs = Math.max(view.lastTs, line.ts);
    if (line.event.type === "run.end") view.hasEnd = true;
    view.heardAt = now;
    view.silences = 0;
    view.waiting.push(line);
    if (request?.kind === "ranges") request.progress = true;
    if (request?.kind === "before") {
      const { oldest } = request;
      const older = oldest === undefined || line.run < oldest.run;
      if (older || (line.run === oldest?.run && line.seq < oldest.seq)) {
        request.oldest = { run: line.run, seq: line.seq };
      }
    }
  }

  /** Raw lines have no number; they are as old as the line whose time they follow. */
  #isHistory(line: Line, floor: number | undefined): boolean {
    if (floor === undefined) return true;
    if (floor <= 1) return false;
    const view = this.#view(line.run);
    return line.ts < (view.times.get(view.held.min) ?? 0);
  }

  #answered(
    now: number,
    request: Request,
    complete: boolean,
    cursor: string | null,
    out: Output[],
  ): void {
    if (request.subscribes) this.#subscribed = true;
    if (request.kind === "page" && this.#floor === undefined) {
      this.#floor = cursor === null ? START : this.#firstFloor();
      this.#cursorAt = this.#floor;
      this.#cursor = cursor;
      // Runs that were over when the page was made: the page has their raw lines.
      for (const view of this.#runs.values()) view.replayedAfterEnd = isOver(view.state);
      out.push({ type: "caughtUp" });
    } else if (request.kind === "before") {
      this.#cursor = cursor;
      this.#floor = cursor === null ? START : (request.oldest ?? this.#floor);
      this.#cursorAt = this.#floor;
    } else if (request.kind === "whole") {
      this.#view(request.run).replayedAfterEnd = true;
    } else if (request.kind === "ranges") {
      for (const range of request.ranges) {
        if (complete) this.#giveUp(range, request.sent, out);
        else if (request.progress) {
          for (const hole of this.#holesIn(range, now)) hole.asking.progressed(now);
        }
      }
    }
    this.#pings.caughtUp(now);
  }

  /** The first page's oldest line bounds what may be missed. */
  #firstFloor(): Floor {
    for (const run of this.#order) {
      const { held } = this.#view(run);
      if (held.min > 0) return { run, seq: held.min };
    }
    // A page without any event of ours (raw lines only): what exists by now is history.
    const newest = this.#order.at(-1);
    return newest === undefined ? START : { run: newest, seq: this.#view(newest).top + 1 };
  }

  #holesIn(range: Range, now: number): Hole[] {
    const view = this.#view(range.run);
    view.findHoles(floorOf(this.#floor, range.run) ?? Infinity, now);
    const to = range.to ?? view.top;
    return view.holes.filter((hole) => hole.first <= to && hole.last >= range.from);
  }

  /** A complete replay of `range`, asked for at `sent`, has ended. */
  #giveUp(range: Range, sent: number, out: Output[]): void {
    const view = this.#view(range.run);
    const to = range.to ?? view.top;
    for (const [a, b] of view.held.missing(
      Math.max(range.from, floorOf(this.#floor, range.run) ?? Infinity),
      to,
    )) {
      for (const [first, last] of view.lost.missing(a, b)) {
        if (sent < view.lostFrom(last)) continue;
        view.lost.addRange(first, last);
        out.push({ type: "lost", run: range.run, from: first, to: last });
      }
    }
    if (range.to === null && view.endIsMissing) view.endSettled = view.endIsSettledBy(sent);
  }

  /** Everything that follows from the state and the time. */
  #settle(now: number, out: Output[]): void {
    this.#show(now, out);
    if (this.#runsChanged) {
      this.#runsChanged = false;
      out.push({ type: "runs", runs: this.runs });
    }
    if (!this.#connected || this.#refused) return;
    this.#requests.expire(now);
    const quiet = now < this.#quietUntil;
    // Until one that subscribes is answered, it is made again: after a cut as at the start.
    if (!this.#subscribed && !this.#requests.subscribing && !quiet) this.#subscribe(now, out);
    if (this.#floor === undefined) return;
    if (!quiet) {
      this.#askForHoles(now, out);
      this.#replayEndedRuns(now, out);
    }
    if (this.#pings.take(now)) out.push({ type: "send", message: { action: "ping" } });
  }

  #show(now: number, out: Output[]): void {
    if (this.#floor === undefined) {
      // The page and new lines come interleaved; a short wait puts them in order.
      const any = [...this.#runs.values()].some((v) => v.waiting.length + v.waitingRaw.length > 0);
      this.#earlySince = any ? (this.#earlySince ?? now) : undefined;
      if (this.#earlySince === undefined || now < this.#earlySince + limits.PATIENCE_MS) return;
    }
    this.#earlySince = undefined;
    const lines: Line[] = [];
    for (const run of this.#order) {
      const view = this.#view(run);
      const floor = floorOf(this.#floor, run);
      if (floor !== undefined) view.findHoles(floor, now);
      for (const line of view.takeShowable(now)) lines.push(line);
      view.pruneTimes();
    }
    if (lines.length > 0) out.push({ type: "show", lines });
  }

  #askForHoles(now: number, out: Output[]): void {
    const newest = this.#order.at(-1);
    const ranges: Range[] = [];
    for (const run of this.#order) {
      const floor = floorOf(this.#floor, run);
      if (floor === undefined) continue;
      const view = this.#view(run);
      const begin = (from: number) => view.timeBefore(from) ?? runStarted(run);
      for (const { first, last, asking } of view.holes) {
        if (ranges.length === limits.MAX_RANGES) break;
        if (now < asking.next || this.#requests.asksFor(run, first)) continue;
        ranges.push({ run, from: first, to: last, ts: begin(first) });
        asking.asked(now, this.#random);
      }
      if (ranges.length === limits.MAX_RANGES) break;
      // The end: a run that is over without `run.end`, and a newest run that fell silent.
      const from = Math.max(view.top + 1, floor);
      if (this.#requests.asksFor(run, from)) continue;
      let due = false;
      if (view.endIsMissing) {
        view.end ??= new Asking(now);
        due = now >= view.end.next;
        if (due) view.end.asked(now, this.#random);
      }
      const silence = view.nextSilence;
      if (run === newest && silence !== undefined && now >= silence) {
        view.silences++;
        due = true;
      }
      if (due) ranges.push({ run, from, to: null, ts: begin(from) });
    }
    if (ranges.length === 0) return;
    const purpose: Purpose = { kind: "ranges", ranges, progress: false };
    this.#send(now, purpose, { ranges, limit: limits.MAX_LIMIT }, out);
  }

  /**
   * Raw lines carry no numbers; a replay of the whole run after its end brings what was missed. One
   * run at a time, until it is answered: many may have ended.
   */
  #replayEndedRuns(now: number, out: Output[]): void {
    if (this.#requests.has("whole")) return;
    for (const run of this.#order) {
      const view = this.#view(run);
      if (view.replayedAfterEnd || floorOf(this.#floor, run) === undefined) continue;
      if (!view.hasEnd && !isOver(view.state)) continue;
      this.#send(now, { kind: "whole", run }, { run, limit: limits.MAX_LIMIT }, out);
      return;
    }
  }
}
