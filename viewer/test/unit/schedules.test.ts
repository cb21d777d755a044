import fc from "fast-check";
import type { LogEvent, Run, SendLogs, ServerMessage } from "ralph-logs";
import { expect, test } from "vitest";
import { Rules } from "../../client/src/rules.ts";
import type { Input } from "../../client/src/types.ts";
import { Store } from "../mock/store.ts";
import { runAt, Writer } from "../mock/story.ts";

// Random simulations: lines that CloudWatch Logs stores or loses, deliveries that are late, duplicated
// or dropped, replays that are slow or break off, connections that are cut. Whatever happens, once it
// is quiet each stored line has been shown once, and exactly the others count as lost.

const START = 1_800_000_000_000;
const MINUTE = 60_000;

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
      fails: fc.constantFrom("not", "not", "not", "silent", "incomplete", "throttled"),
    }),
    { minLength: 1, maxLength: 12 },
  ),
  jitter: fc.float({ min: 0, max: Math.fround(0.99), noNaN: true }),
});

class Simulation {
  readonly rules: Rules;
  readonly store = new Store();
  readonly shown = new Map<Run, number[]>();
  readonly lost = new Map<Run, Set<number>>();
  now = START;
  #connection = 0;
  #up = false;
  #asked = 0;
  #queue: { at: number; n: number; run: () => void }[] = [];
  #n = 0;
  readonly #answers: { takes: number; fails: string }[];

  constructor(limit: number, answers: { takes: number; fails: string }[], jitter: number) {
    this.rules = new Rules({ workstream: "w", limit, random: () => jitter });
    this.#answers = answers;
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
    this.#connection++;
    this.#take({ type: "disconnected" });
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
      if (this.#up)
        this.arrives(this.now, { type: "logs", workstream: "w", source: "live", events });
    });
  }

  /** Lets everything happen until `end`. */
  play(end: number): void {
    for (;;) {
      this.#queue.sort((a, b) => a.at - b.at || a.n - b.n);
      const next = this.#queue[0];
      const tick = this.rules.nextTick() ?? Infinity;
      const at = Math.min(next?.at ?? Infinity, Math.max(tick, this.now));
      if (at > end) break;
      this.now = at;
      if (next !== undefined && next.at <= at) {
        this.#queue.shift();
        next.run();
      } else {
        this.#take({ type: "tick" });
        expect(this.rules.nextTick() ?? Infinity, "an idle tick").toBeGreaterThan(this.now);
      }
    }
    this.now = end;
  }

  #take(input: Input): void {
    for (const output of this.rules.handle(this.now, input)) {
      if (output.type === "show") {
        for (const { run, seq } of output.lines) {
          this.shown.set(run, [...(this.shown.get(run) ?? []), seq]);
        }
      } else if (output.type === "send") {
        if (output.message.action === "ping") this.#runs(this.now + 5);
        else this.#answer(output.message);
      }
    }
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
    const id = ask.id as string;
    const workstream = "w";
    if (wrong === "throttled") {
      this.arrives(at, { type: "error", id, code: "throttled", message: "", retryAfterMs: 700 });
      return;
    }
    this.at(this.now + 1, () => {
      this.#runs(this.now);
      const page = this.store.read(ask);
      // A page that breaks off has lost its oldest lines; ranges, their newest.
      const half = Math.ceil(page.events.length / 2);
      const cutOff =
        ask.ranges === undefined ? page.events.slice(half) : page.events.slice(0, half);
      const events = wrong === "incomplete" ? cutOff : page.events;
      for (let i = 0; i < events.length; i += 7) {
        const frame = events.slice(i, i + 7);
        this.arrives(at, { type: "logs", id, workstream, source: "replay", events: frame });
      }
      if (wrong === "silent") return;
      this.#runs(at);
      const complete = page.complete && wrong !== "incomplete";
      const cursor = wrong === "incomplete" && ask.ranges === undefined ? btoa("1") : page.cursor;
      this.arrives(at, { type: "caughtUp", id, workstream, complete, cursor });
    });
  }
}

test("once it is quiet, each stored line has been shown once and exactly the others are lost", () => {
  fc.assert(
    fc.property(schedule, ({ before, limit, lines, cuts, answers, jitter }) => {
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
      // Long enough for every rule to have had its say.
      sim.play(START + 90 * MINUTE);

      for (const [run, seqs] of sim.shown) {
        expect(new Set(seqs).size, `${run} shows a line twice`).toBe(seqs.length);
      }
      const { rules } = sim;
      expect(rules.pending(sim.now)).toBe(0);
      const lostNumbers = new Map<Run, Set<number>>();
      for (const gap of rules.gaps(sim.now)) {
        expect(gap.state).toBe("lost");
        const set = lostNumbers.get(gap.run) ?? new Set();
        for (let n = gap.from; n <= gap.to; n++) set.add(n);
        lostNumbers.set(gap.run, set);
      }
      // Above the floor (the lowest line shown of the first run shown; later runs begin at 1),
      // every number is shown or lost, and none that is stored is lost.
      const runs = [...sim.shown.keys()].sort();
      const first = runs[0];
      for (const [run, numbers] of stored) {
        if (first === undefined || run < first) continue;
        const floor = run === first ? Math.min(...(sim.shown.get(run) ?? [])) : 1;
        const seen = new Set(sim.shown.get(run));
        for (const n of numbers) {
          if (n < floor) continue;
          expect(seen.has(n), `${run} ${n} of ${[...numbers]} is stored but not shown`).toBe(true);
        }
      }
      for (const [run, numbers] of lostNumbers) {
        for (const n of numbers) {
          expect(stored.get(run)?.has(n) ?? false, `${run} ${n} is stored but lost`).toBe(false);
        }
      }
    }),
    { numRuns: 400 },
  );
}, 120_000);
