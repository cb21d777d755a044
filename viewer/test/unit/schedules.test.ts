import fc from "fast-check";
import type { LogEvent, Run, SendLogs, ServerMessage } from "ralph-logs";
import { expect, test } from "vitest";
import { Rules } from "../../client/src/rules.ts";
import type { Input, Output } from "../../client/src/types.ts";
import { Store } from "../mock/store.ts";
import { runAt, Writer } from "../mock/story.ts";

// Random simulations: lines that CloudWatch Logs stores or loses, deliveries that are late, duplicated
// or dropped, replays that are slow or break off, connections that are cut or that the server forgets, a
// page that lets go of lines and wants older ones. Whatever happens, once it is quiet and the page has gone
// back to the beginning, it has each stored line, was given none that it had, and knows which are lost.

const START = 1_800_000_000_000;
const MINUTE = 60_000;
/** Longer than it takes to find out what is lost of an older page. */
const LOST_BY_NOW = 7 * MINUTE;

const line = fc.record({
  /** Since the line before. */
  after: fc.integer({ min: 0, max: 4_000 }),
  /** CloudWatch Logs never gets it. */
  lost: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, fc.boolean()),
  /** When it is delivered after it was written, each copy; none: dropped. */
  copies: fc.array(fc.integer({ min: 0, max: 3_500 }), { maxLength: 3 }),
  /** Begins a new run. */
  newRun: fc.oneof({ weight: 15, arbitrary: fc.constant(false) }, fc.boolean()),
});
const schedule = fc.record({
  before: fc.integer({ min: 0, max: 30 }),
  limit: fc.integer({ min: 1, max: 40 }),
  lines: fc.array(line, { minLength: 1, maxLength: 40 }),
  /** When the connection is cut, and for how long. */
  cuts: fc.array(
    fc.record({
      at: fc.integer({ min: 0, max: 90_000 }),
      long: fc.integer({ min: 100, max: 30_000 }),
    }),
    { maxLength: 3 },
  ),
  /** By request: how long it takes, and what goes wrong. */
  answers: fc.array(
    fc.record({
      takes: fc.integer({ min: 1, max: 2_500 }),
      fails: fc.constantFrom("not", "not", "not", "silent", "slow", "incomplete", "throttled"),
    }),
    { minLength: 1, maxLength: 12 },
  ),
  /** When the server takes the connection for gone, though it lives. */
  forgets: fc.array(fc.integer({ min: 0, max: 90_000 }), { maxLength: 2 }),
  /** When the page lets go of this share of its lines, percent, or wants so many older ones. */
  turns: fc.array(
    fc.record({
      at: fc.integer({ min: 0, max: 90_000 }),
      evicts: fc.option(fc.integer({ min: 0, max: 100 }), { freq: 2 }),
      older: fc.integer({ min: 1, max: 30 }),
    }),
    { maxLength: 8 },
  ),
  jitter: fc.float({ min: 0, max: Math.fround(0.99), noNaN: true }),
});

type Key = `${Run} ${string}`;
/** Keys sort as lines do. */
const key = (run: Run, seq: number): Key => `${run} ${String(seq).padStart(6, "0")}`;

class Simulation {
  readonly rules: Rules;
  readonly store = new Store();
  /** The lines on the page. */
  readonly page = new Set<Key>();
  now = START;
  #connection = 0;
  #up = false;
  #subscribed = false;
  #asked = 0;
  #queue: { at: number; n: number; run: () => void }[] = [];
  #n = 0;
  readonly #answers: { takes: number; fails: string }[];

  constructor(limit: number, answers: { takes: number; fails: string }[], jitter: number) {
    this.rules = new Rules({ workstream: "w", limit, random: () => jitter });
    this.#answers = answers;
  }

  /** The rules' clock has nothing to do with the time of day. */
  get clock(): number {
    return this.now - START;
  }

  at(at: number, run: () => void): void {
    this.#queue.push({ at, n: this.#n++, run });
  }

  connect(): void {
    this.#up = true;
    this.#connection++;
    this.#take({ type: "connected" });
  }

  cut(): void {
    this.#up = false;
    this.#subscribed = false;
    this.#connection++;
    this.#take({ type: "disconnected" });
  }

  forget(): void {
    this.#subscribed = false;
  }

  /** The page lets go of the oldest of its lines, in the middle of whatever happens. */
  evict(percent: number): void {
    const lines = [...this.page].sort();
    const many = Math.round((lines.length * percent) / 100);
    const last = lines[many - 1];
    if (last === undefined) return;
    for (const line of lines.slice(0, many)) this.page.delete(line);
    const [run = "", seq] = last.split(" ");
    this.rules.evict(run, Number(seq));
  }

  older(count: number): void {
    this.#carryOut(this.rules.older(this.clock, count));
  }

  /** Something from the server, which arrives if the connection still stands. */
  arrives(at: number, message: ServerMessage): void {
    const connection = this.#connection;
    const copy = structuredClone(message);
    this.at(at, () => {
      if (this.#up && connection === this.#connection)
        this.#take({ type: "message", message: copy });
    });
  }

  live(at: number, events: LogEvent[]): void {
    this.at(at, () => {
      for (const event of events) this.store.saw(event);
      if (this.#subscribed)
        this.arrives(this.now, { type: "logs", workstream: "w", source: "live", events });
    });
  }

  /** Lets everything happen until `end`. */
  play(end: number): void {
    for (;;) {
      this.#queue.sort((a, b) => a.at - b.at || a.n - b.n);
      const next = this.#queue[0];
      // A sum with a time of day would lose a part of a fraction, and the tick come too early for ever.
      const tick = START + Math.ceil(this.rules.nextTick() ?? Infinity);
      const at = Math.min(next?.at ?? Infinity, tick);
      if (at > end) break;
      this.now = at;
      if (next !== undefined && next.at <= at) {
        this.#queue.shift();
        next.run();
      } else {
        this.#take({ type: "tick" });
      }
    }
    this.now = end;
  }

  #take(input: Input): void {
    this.#carryOut(this.rules.handle(this.clock, input));
  }

  #carryOut(outputs: Output[]): void {
    for (const output of outputs) {
      if (output.type === "show") {
        for (const { run, seq } of output.lines) {
          const line = key(run, seq);
          expect(this.page.has(line), `${line} is shown twice`).toBe(false);
          this.page.add(line);
        }
      } else if (output.type === "send") {
        if (output.message.action === "ping") this.#pong();
        else this.#answer(output.message);
      }
    }
  }

  #pong(): void {
    if (this.#subscribed) this.#runs(this.now + 5);
    this.arrives(this.now + 6, { type: "pong" });
  }

  #runs(at: number): void {
    this.arrives(at, { type: "runs", workstream: "w", runs: this.store.infos() });
  }

  #answer(ask: SendLogs): void {
    const { takes, fails } = this.#answers[this.#asked++ % this.#answers.length] as {
      takes: number;
      fails: string;
    };
    // The first answers go wrong; in the end the server is well.
    const wrong = this.#asked > 12 ? "not" : fails;
    const at = this.now + takes;
    const connection = this.#connection;
    const id = ask.id as string;
    const workstream = "w";
    if (wrong === "throttled") {
      this.arrives(at, { type: "error", id, code: "throttled", message: "", retryAfterMs: 700 });
      return;
    }
    this.at(this.now + 1, () => {
      if (!this.#up || connection !== this.#connection) return;
      if (ask.follow ?? (ask.ranges ?? ask.before) === undefined) this.#subscribed = true;
      this.#runs(this.now);
      const page = this.store.read(ask);
      // A page that breaks off goes on before its oldest line; of ranges, the newest lines are lacking.
      const half = Math.ceil(page.events.length / 2);
      const isPage = ask.ranges === undefined;
      const breaksOff = wrong === "incomplete";
      const part = isPage ? page.events.slice(half) : page.events.slice(0, half);
      const events = breaksOff ? part : page.events;
      const cursor =
        breaksOff && isPage ? btoa(String(Number(atob(page.cursor ?? "")) + half)) : page.cursor;
      let last = at;
      for (let i = 0; i < events.length; i += 7) {
        const frame = events.slice(i, i + 7);
        this.arrives(last, { type: "logs", id, workstream, source: "replay", events: frame });
        // Longer than an answer may take, but something comes all the time.
        if (wrong === "slow") last += 20_000;
      }
      if (wrong === "silent") return;
      this.#runs(last);
      const complete = page.complete && !breaksOff;
      this.arrives(last, { type: "caughtUp", id, workstream, complete, cursor });
    });
  }
}

test("once it is quiet, the page has each stored line and exactly the others are lost", () => {
  fc.assert(
    fc.property(schedule, ({ before, limit, lines, cuts, answers, forgets, turns, jitter }) => {
      const sim = new Simulation(limit, answers, jitter);
      let attempt = 1;
      let writer = new Writer("w", runAt(START, attempt), START - 10 * MINUTE);
      const stored = new Map<Run, Set<number>>();
      const store = (event: LogEvent) => {
        const { run, seq } = event as { run: Run; seq: number };
        stored.set(run, (stored.get(run) ?? new Set()).add(seq));
        sim.store.run(run, {});
        sim.store.runs.get(run)?.events.push(event);
      };
      for (const event of writer.lines(before)) {
        store(event);
        sim.store.saw(event);
      }
      sim.at(START, () => sim.connect());
      let at = START;
      for (const { after, lost, copies, newRun } of lines) {
        at += after;
        if (newRun) {
          // The task is over, whatever its last line was: task-events says so.
          const over = writer.run;
          sim.at(at + 1_000, () => sim.store.run(over, { state: "ended" }));
          attempt++;
          writer = new Writer("w", runAt(START, attempt));
        }
        writer.now = at;
        const event = writer.event("log", { text: "x" });
        if (!lost) sim.at(at, () => store(event));
        for (const delay of copies) sim.live(at + delay, [event]);
      }
      for (const { at: when, long } of cuts) {
        sim.at(START + when, () => sim.cut());
        sim.at(START + when + long, () => sim.connect());
      }
      for (const when of forgets) sim.at(START + when, () => sim.forget());
      for (const { at: when, evicts, older } of turns) {
        sim.at(START + when, () => (evicts === null ? sim.older(older) : sim.evict(evicts)));
      }
      // Long enough for every rule to have had its say.
      sim.play(START + 90 * MINUTE);
      const { rules } = sim;
      expect(rules.pending(sim.clock)).toBe(0);
      for (let pages = 0; rules.hasOlder; pages++) {
        expect(pages, "the beginning is never reached").toBeLessThan(50);
        sim.older(25);
        sim.play(sim.now + LOST_BY_NOW);
      }

      const lost = new Set<Key>();
      for (const { run, from, to, state } of rules.gaps(sim.clock)) {
        expect(state).toBe("lost");
        for (let n = from; n <= to; n++) lost.add(key(run, n));
      }
      // Nothing is hidden: each number that is known to exist is on the page or lost.
      for (const { run, lastSeq } of sim.store.infos()) {
        for (let n = 1; n <= lastSeq; n++) {
          const line = key(run, n);
          const stands = [sim.page.has(line), lost.has(line)];
          const is = stored.get(run)?.has(n) === true ? [true, false] : [stands[0], !stands[0]];
          expect(stands, `${line}: shown, lost`).toEqual(is);
        }
      }
    }),
    { numRuns: 400 },
  );
}, 120_000);
