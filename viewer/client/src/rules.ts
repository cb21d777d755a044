import { Asking, type Random } from "./asking.ts";
import { below, type Floor, floorOf, START, same } from "./floor.ts";
import * as limits from "./limits.ts";
import { type Line, readLine } from "./line.ts";
import { Pings } from "./pings.ts";
import type { Range, ReadTo, Run, RunInfo, SendLogs, ServerMessage } from "./protocol.ts";
import { type Purpose, type Request, Requests } from "./requests.ts";
import { RAW_READINGS, RunView } from "./run.ts";
import type { Gap, Input, Output, RulesOptions } from "./types.ts";

type Answer = ServerMessage & { type: "caughtUp" };
type RangesRequest = Request & { kind: "ranges" };

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
  /** Lines that are still to come from before the cursor. */
  #wanted = 0;
  #connected = false;
  /** Whether a request that subscribes was answered on this connection. */
  #subscribed = false;
  /** When something happened last. */
  #now = 0;
  readonly #requests: Requests;
  /** How much later than others it asks about a silence, which all clients hear in the same moment. */
  readonly #apart: number;
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
    this.#apart = limits.APART_MS * this.#random();
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
    return this.#wanted > 0;
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
        if (now >= asking.patience) out.push({ run, from: first, to: last, state: "pending" });
      }
    }
    return out.sort((a, b) => (a.run < b.run ? -1 : a.run > b.run ? 1 : a.from - b.from));
  }

  /**
   * When a tick is due, by the clock of `handle`, if nothing else comes in before. Always later than
   * the time of the last `handle`.
   */
  nextTick(): number | undefined {
    let due = Infinity;
    const at = (ms: number | undefined) => {
      if (ms !== undefined && ms > this.#now && ms < due) due = ms;
    };
    if (this.#earlySince !== undefined) at(this.#earlySince + limits.PATIENCE_MS);
    for (const view of this.#runs.values())
      for (const { asking } of view.holes) at(asking.patience);
    if (this.#connected && !this.#refused) {
      at(this.#pings.next);
      at(this.#requests.nextExpiry);
      // While the server wants to be left alone, nothing is asked for, whatever is due.
      if (this.#quietUntil > this.#now) at(this.#quietUntil);
      else
        for (const [view, floor] of this.#watched()) {
          const silence = this.#isNewest(view) ? view.nextSilence(this.#apart) : Infinity;
          at(view.askDue(floor, this.#requests.asked(view.run), silence));
          if (view.lacksRaw && !this.#requests.has("raw")) at(view.rawDue);
        }
    }
    return due === Infinity ? undefined : due;
  }

  /** The runs that are not history, each with its first number of interest. */
  #watched(): [view: RunView, floor: number][] {
    return this.#order.flatMap((run) => {
      const floor = floorOf(this.#floor, run);
      return floor === undefined ? [] : [[this.#view(run), floor]];
    });
  }

  #isNewest(view: RunView): boolean {
    return view.run === this.#order.at(-1);
  }

  /**
   * Takes what happened at `now` and says what to do. `now` is in ms, by a clock that never goes back;
   * it begins anywhere, and no time in a message is ever compared with it.
   */
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
   * Asks for `count` older lines. Nothing happens while some are on their way, while disconnected, or
   * when there are none.
   */
  older(now: number, count = this.#options.limit ?? limits.DEFAULT_LIMIT): Output[] {
    const out: Output[] = [];
    this.#now = now;
    const ready = this.#connected && !this.#refused && this.#floor !== undefined;
    if (ready && !this.loadingOlder && count > 0 && this.hasOlder) {
      const known = !same(this.#floor, this.#cursorAt) && this.#lowerFloor(now, count);
      if (!known && this.#cursor !== null) this.#wanted = count;
    }
    this.#settle(now, out);
    return out;
  }

  /**
   * What was evicted has known numbers: lowering the floor makes them a hole, asked for at once.
   * `false` when there are none, and the floor is the cursor's again.
   */
  #lowerFloor(now: number, count: number): boolean {
    const target = this.#cursorAt ?? START;
    let { run, seq } = this.#floor ?? START;
    const lowest = () => floorOf(target, run) ?? 1;
    while (seq <= lowest()) {
      const earlier = this.#order.findLast((other) => other < run);
      if (earlier === undefined || floorOf(target, earlier) === undefined) {
        this.#floor = target;
        return false;
      }
      run = earlier;
      seq = this.#view(run).top + 1;
    }
    const from = Math.max(lowest(), seq - count);
    this.#floor = run === target.run && from === lowest() ? target : { run, seq: from };
    const asking = new Asking(now - limits.PATIENCE_MS);
    this.#view(run).holes.unshift({ first: from, last: seq - 1, asking });
    return true;
  }

  /** The page let go of everything up to `(run, seq)`: it is no longer held, nor missed. */
  evict(run: Run, seq: number): void {
    // An older page under way would lower the floor again. What it has brought stays, unless it is let
    // go of, too; what it still brings is history.
    this.#requests.forget("before");
    this.#wanted = 0;
    for (const [other, view] of this.#runs) {
      if (other <= run) view.forget(other === run ? seq : Infinity);
    }
    const floor = { run, seq: seq + 1 };
    if (this.#floor !== undefined && below(this.#floor, floor)) this.#floor = floor;
  }

  /** A frame was dropped unread: the answers under way are not complete, whatever they say. */
  distrust(): void {
    this.#requests.distrust();
  }

  #view(run: Run): RunView {
    let view = this.#runs.get(run);
    if (view === undefined) {
      view = new RunView(run);
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
    const from = Math.min(Math.max(1, last + 1 - overlap), Number.MAX_SAFE_INTEGER);
    const ranges = [view.rest(from)];
    const ask = { follow: true, ranges, limit: limits.MAX_LIMIT };
    this.#send(now, { kind: "ranges", ranges }, ask, out);
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
        if (request !== undefined) {
          request.heard = now;
          request.came += message.events.length;
        }
        const live = message.source === "live";
        for (const event of message.events) this.#event(now, event, request, live);
        break;
      }
      case "runs":
        this.#pings.heard();
        for (const info of message.runs) {
          this.#view(info.run).take(info, now);
          this.#runsChanged = true;
        }
        break;
      case "caughtUp": {
        const request = this.#requests.take(message.id);
        if (request !== undefined) this.#answered(now, request, message, out);
        break;
      }
      case "pong":
        // The server tells of each workstream that it knows this connection to follow.
        if (this.#pings.forgotten(now)) this.#subscribed = false;
        break;
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
    const request = this.#requests.take(error.id);
    if (request === undefined && error.workstream === undefined) return;
    const wait = error.retryAfterMs ?? limits.FAULT_MS;
    this.#quietUntil = Math.max(this.#quietUntil, now + wait);
    if (error.code === "forbidden" || error.code === "badRequest") {
      if (error.code === "forbidden" || request?.subscribes) this.#refused = true;
      if (request?.kind === "before") this.#wanted = 0;
      if (request?.kind === "raw") this.#view(request.run).rawReadings = RAW_READINGS;
      out.push({ type: "refused", code: error.code, message: error.message });
    }
  }

  /** Takes an event, or a raw line, in the answer to a request or live. */
  #event(now: number, value: unknown, request: Request | undefined, live: boolean): void {
    const line = readLine(value, this.#options.workstream);
    if (line === undefined) return;
    const { run, seq } = line;
    // What lies below the floor is history that nobody asked to see, or what the page has let go of.
    const known = this.#floor !== undefined && request?.kind !== "before";
    const floor = floorOf(this.#floor, run);
    if (seq === 0) {
      if (known && this.#isHistory(line, floor, request, live)) return;
      const view = this.#view(run);
      view.heardAt ??= now;
      if (view.addRaw(line, request?.kind === "before")) {
        if (request !== undefined) request.progress = true;
      } else this.#redelivered++;
      return;
    }
    const isBelow = floor === undefined || seq < floor;
    if (request !== undefined) {
      request.last = { run, isBelow };
      if (known && isBelow) request.below = true;
    }
    if (known && isBelow) return;
    if (request?.kind === "before") {
      const { oldest } = request;
      if (oldest === undefined || below(line, oldest)) request.oldest = { run, seq };
    }
    const view = this.#view(run);
    if (!view.held.add(seq)) {
      this.#redelivered++;
      return;
    }
    if (request !== undefined) request.progress = true;
    view.lost.removeRange(seq, seq);
    view.top = Math.max(view.top, seq);
    view.times.set(seq, line.ts);
    if (line.event.type === "run.end") view.hasEnd = true;
    view.heardAt = now;
    view.silences = 0;
    view.waiting.push(line);
  }

  /**
   * Raw lines have no number. A live one is new, unless it is as old as those that were let go of. One
   * that is read back is as old as the event before it in its answer, or else as the line whose time it
   * follows.
   */
  #isHistory(
    line: Line,
    floor: number | undefined,
    request: Request | undefined,
    live: boolean,
  ): boolean {
    if (floor === undefined) return true;
    const view = this.#runs.get(line.run);
    if (view === undefined) return false;
    if (live) return line.ts <= view.rawGoneUntil;
    if (request?.last?.run === line.run) return request.last.isBelow;
    if (floor === 1) return false;
    return line.ts < (view.times.get(view.held.min) ?? 0);
  }

  #answered(now: number, request: Request, answer: Answer, out: Output[]): void {
    const { cursor } = answer;
    const complete = answer.complete && !request.distrusted;
    if (request.subscribes) this.#subscribed = true;
    switch (request.kind) {
      case "page": {
        if (this.#floor !== undefined) break;
        this.#floor = cursor === null ? START : this.#firstFloor();
        const { limit = limits.DEFAULT_LIMIT } = this.#options;
        this.#turnTo(cursor, complete ? 0 : limit - request.came);
        // Runs that were over when the page was made: it has their raw lines. `run.end` alone says
        // little, since raw lines may follow it.
        for (const view of this.#runs.values()) {
          if (complete && view.rowIsOver) view.rawReadings = RAW_READINGS;
        }
        out.push({ type: "caughtUp" });
        break;
      }
      case "before":
        if (cursor === null) this.#floor = START;
        else if (request.oldest !== undefined && below(request.oldest, this.#floor ?? START)) {
          this.#floor = request.oldest;
        }
        // Without a line, the cursor may lead to itself.
        this.#turnTo(cursor, complete || request.came === 0 ? 0 : this.#wanted - request.came);
        break;
      case "ranges":
        if (complete) this.#complete(now, request, answer.settled === true, out);
        else this.#stopped(now, request, request.distrusted ? undefined : answer.readTo);
        break;
      case "raw": {
        const { run } = request;
        const left = request.left - request.came;
        // What a dropped frame held lies behind the cursor: then it is read again as a whole.
        const goesOn = !complete && !request.distrusted && !request.below;
        if (goesOn && left > 0 && request.came > 0 && cursor !== null) {
          this.#send(now, { kind: "raw", run, left }, { before: cursor, limit: left }, out);
          break;
        }
        const view = this.#view(run);
        // What lies below the floor is counted, too.
        if (request.below) view.rawReadings = RAW_READINGS;
        else if (!request.distrusted) view.rawReadings++;
        view.rawDue = undefined;
        break;
      }
    }
    this.#pings.caughtUp(now);
  }

  /** What is older than the floor is before this cursor, and so many lines of it are wanted. */
  #turnTo(cursor: string | null, wanted: number): void {
    this.#cursor = cursor;
    this.#cursorAt = this.#floor;
    this.#wanted = cursor === null ? 0 : Math.max(0, wanted);
  }

  #complete(now: number, { ranges, sent }: RangesRequest, settled: boolean, out: Output[]): void {
    for (const range of ranges) {
      for (const [from, to] of this.#view(range.run).complete(range, sent, settled, now)) {
        out.push({ type: "lost", run: range.run, from, to });
      }
    }
  }

  #stopped(now: number, request: RangesRequest, readTo: ReadTo | undefined): void {
    const { ranges } = request;
    const readOn = ranges.some(
      ({ run, after = -1 }) => readTo !== undefined && run === readTo.run && readTo.ts > after,
    );
    const progress = request.progress || readOn;
    for (const range of ranges) this.#view(range.run).stopped(range, readTo, progress, now);
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
      this.#askForPage(now, out);
      this.#askForHoles(now, out);
      this.#askForRaw(now, out);
    }
    if (this.#pings.take(now, this.#subscribed))
      out.push({ type: "send", message: { action: "ping" } });
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
      view.times.prune(view.held, view.held.max);
    }
    if (lines.length > 0) out.push({ type: "show", lines });
  }

  /** Keeps one request for older lines under way while some are wanted. */
  #askForPage(now: number, out: Output[]): void {
    if (this.#cursor === null || this.#wanted === 0 || this.#requests.has("before")) return;
    const ask = { before: this.#cursor, limit: this.#wanted };
    this.#send(now, { kind: "before", oldest: undefined }, ask, out);
  }

  #askForHoles(now: number, out: Output[]): void {
    const due: Range[] = [];
    // One for all: what is asked for together is due together again, in one request.
    const drawn = this.#random();
    for (const [view, floor] of this.#watched()) {
      const asked = this.#requests.asked(view.run);
      for (const hole of view.holes) {
        if (now < hole.asking.next || asked.has(hole.first)) continue;
        due.push(view.askHole(hole, now, drawn));
      }
      // The end: a run that is over without `run.end`, and a newest run that fell silent.
      const from = view.next(floor);
      if (asked.has(from)) continue;
      const ended = view.endIsDue(now, drawn);
      const silent = this.#isNewest(view) && now >= view.nextSilence(this.#apart);
      if (silent) view.silences++;
      if (ended || silent) due.push(view.askRest(from, now, drawn));
    }
    for (let i = 0; i < due.length; i += limits.MAX_RANGES) {
      const ranges = due.slice(i, i + limits.MAX_RANGES);
      this.#send(now, { kind: "ranges", ranges }, { ranges, limit: limits.MAX_LIMIT }, out);
    }
  }

  /**
   * Raw lines carry no numbers: when a run is over and the server has counted more of them than came,
   * the run is read once, by each client at a moment of its own. One run at a time, until it is
   * answered: many may have ended.
   */
  #askForRaw(now: number, out: Output[]): void {
    let due: RunView | undefined;
    for (const [view] of this.#watched()) {
      if (!view.lacksRaw) continue;
      view.rawDue ??= now + limits.APART_MS * this.#random();
      if (now >= view.rawDue) due ??= view;
    }
    if (due === undefined || this.#requests.has("raw")) return;
    const { run } = due;
    const left = limits.MAX_LIMIT;
    this.#send(now, { kind: "raw", run, left }, { run, limit: left }, out);
  }
}
