import {
  type Gap,
  type Level,
  type Line,
  placeOf,
  type RunInfo,
  runStarted,
  type ServerMessage,
  type Spend,
  type WorkerEvent,
} from "ralph-logs";
import { type Entry, entryOf, type Group, isShown } from "./entry.ts";

/** Lines kept while following. */
export const CAPACITY = 10_000;
/** Lines kept while a person reads: what is looked at must not be pulled away. */
export const CAPACITY_PAUSED = 50_000;
/** Lines kept of a workstream that is not looked at. */
export const CAPACITY_UNSEEN = 2_000;
/** Characters kept, however few lines they are. */
const MAX_SIZE = 24_000_000;
/** Iterations whose summaries are kept, of a run. */
const MAX_ITERATIONS = 2_000;

/** An event of one type. */
export type Of<Type extends WorkerEvent["type"]> = WorkerEvent & { type: Type };

/** What is known about a run beside its lines. */
export interface RunSummary {
  run: string;
  info?: RunInfo;
  start?: Of<"run.start">;
  end?: Of<"run.end">;
  /** Its latest task, according to ECS. */
  task?: ServerMessage & { type: "task" };
  /** The last pause that it announced. */
  wait?: Of<"wait">;
  /** The pull request with its work, as it was last told of. */
  pull?: Of<"pull_request">;
  /**
   * What the execution has cost up to this run, the most that its lines or the server have told:
   * it only grows, and after the end of a run that was killed only the server knows.
   */
  costUsd?: number;
  /** What the newest line that tells of it says. */
  spend?: Spend & { seq: number };
  /** By number: an iteration that failed and was made again has ended twice. */
  ends: Map<number, Of<"iter.end">>;
  /** The highest iteration seen. */
  iteration: number;
}

/** The lines of a workstream that the page holds: a ring, bounded in lines and characters. */
export class LogStore {
  static #stores = 0;
  /** Tells it from others. */
  readonly id = ++LogStore.#stores;
  /** By run, in the order of the runs; within a run in their order. */
  readonly runs = new Map<string, Entry[]>();
  readonly summaries = new Map<string, RunSummary>();
  /** How many lines to show of each level and group are held. */
  readonly counts = new Map<Level | Group, number>();
  gaps: Gap[] = [];
  /** How many lines are held, and how many of them are to show. */
  length = 0;
  shown = 0;
  /** Grows with every line that says what was spent, or may be. */
  accounts = 0;
  #size = 0;
  #order: string[] = [];

  /** The runs that have lines or are known, in the order of their starts. */
  get order(): readonly string[] {
    return this.#order;
  }

  /** What is known about a run. */
  summary(run: string): RunSummary {
    let summary = this.summaries.get(run);
    if (summary === undefined) {
      summary = { run, ends: new Map(), iteration: 0 };
      this.summaries.set(run, summary);
      this.#order.push(run);
      this.#order.sort();
    }
    return summary;
  }

  /** Takes lines, each to its place. */
  add(lines: Line[]): void {
    for (const line of lines) {
      const entry = entryOf(line);
      let list = this.runs.get(line.run);
      if (list === undefined) {
        list = [];
        this.runs.set(line.run, list);
      }
      list.splice(
        placeOf(list, line, (other) => other.line),
        0,
        entry,
      );
      this.#count(entry, 1);
      this.#summarise(line);
    }
  }

  /** Takes what the server says about the runs. */
  take(infos: RunInfo[]): void {
    for (const info of infos) {
      const summary = this.summary(info.run);
      summary.info = info;
      this.#cost(summary, info.spentUsd);
    }
    this.accounts++;
  }

  /** Takes what ECS says about a run's task. */
  takeTask(task: ServerMessage & { type: "task" }): void {
    this.summary(task.run).task = task;
  }

  /** Every line that is held, oldest first. */
  *entries(): Generator<Entry> {
    for (const run of this.#order) yield* this.runs.get(run) ?? [];
  }

  /** The oldest line that is held and has a number. */
  get oldest(): Line | undefined {
    for (const { line } of this.entries()) if (line.seq > 0) return line;
    return undefined;
  }

  /** Lets the oldest lines go; returns the last of them that has a number. */
  evict(capacity: number): { run: string; seq: number } | undefined {
    // A tenth at a time: letting go costs a rebuild of the list.
    if (this.length <= capacity * 1.1 && this.#size <= MAX_SIZE) return undefined;
    let last: { run: string; seq: number } | undefined;
    for (const run of this.#order) {
      const list = this.runs.get(run);
      if (list === undefined) continue;
      let n = 0;
      while (n < list.length && (this.length > capacity || this.#size > MAX_SIZE * 0.9)) {
        const entry = list[n++] as Entry;
        this.#count(entry, -1);
        if (entry.line.seq > 0) last = { run, seq: entry.line.seq };
      }
      list.splice(0, n);
      if (list.length > 0) break;
      this.runs.delete(run);
    }
    return last;
  }

  #count({ line, level, group, size }: Entry, by: 1 | -1): void {
    this.length += by;
    this.#size += size * by;
    if (!isShown(line)) return;
    this.shown += by;
    for (const name of [level, group]) this.counts.set(name, (this.counts.get(name) ?? 0) + by);
  }

  #summarise({ run, event }: Line): void {
    const summary = this.summary(run);
    const known = event as WorkerEvent;
    if (known.iter > summary.iteration) summary.iteration = known.iter;
    if (known.type === "run.start") {
      summary.start = known;
      this.accounts++;
    } else if (known.type === "spend") this.#spend(summary, known.seq, known);
    else if (known.type === "run.end") {
      summary.end = known;
      this.#spend(summary, known.seq, known.spend);
    } else if (known.type === "wait") summary.wait = known;
    else if (known.type === "pull_request") {
      // An older page comes later.
      if (typeof known.url === "string" && known.seq > (summary.pull?.seq ?? 0))
        summary.pull = known;
    } else if (known.type === "iter.end" && known.tokens && summary.ends.size < MAX_ITERATIONS) {
      summary.ends.set(known.seq, known);
      this.accounts++;
    }
  }

  #spend(summary: RunSummary, seq: number, spend: Spend | undefined): void {
    if (!spend?.tokens) return;
    this.#cost(summary, spend.executionUsd);
    // An older page comes later.
    if (seq > (summary.spend?.seq ?? 0)) summary.spend = { ...spend, seq };
    this.accounts++;
  }

  #cost(summary: RunSummary, usd: number | undefined): void {
    if (typeof usd === "number") summary.costUsd = Math.max(summary.costUsd ?? 0, usd);
  }
}

/** When a run began, ms since the epoch. */
export const startOf = ({ run, info, start }: RunSummary): number =>
  Date.parse(start?.ts ?? "") || info?.startedAt || runStarted(run);
