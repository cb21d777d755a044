import type { LogEvent, Range, RawLine, Run, RunInfo, SendLogs, Spend } from "ralph-logs";

/** A page of a replay. */
export interface Page {
  events: LogEvent[];
  complete: boolean;
  cursor: string | null;
}

const RANK = { starting: 0, running: 1, waiting: 2, ended: 2, failed: 2 };
const tsOf = (event: LogEvent): number =>
  typeof event.ts === "number" ? event.ts : Date.parse(event.ts);

/** What CloudWatch Logs and the connections table hold of one workstream. */
export class Store {
  readonly runs = new Map<Run, { info: RunInfo; events: LogEvent[] }>();

  /** Notes where a run stands. */
  run(run: Run, change: Partial<RunInfo> = {}): RunInfo {
    let entry = this.runs.get(run);
    if (entry === undefined) {
      const info: RunInfo = {
        run,
        attempt: Number(run.slice(27)),
        startedAt: Date.now(),
        lastSeq: 0,
        lastTs: 0,
        state: "starting",
      };
      entry = { info, events: [] };
      this.runs.set(run, entry);
    }
    const { state, ...rest } = change;
    Object.assign(entry.info, rest);
    if (state !== undefined && RANK[state] >= RANK[entry.info.state]) entry.info.state = state;
    return entry.info;
  }

  /** Stores events, as CloudWatch Logs does; returns them. */
  write(events: LogEvent[]): LogEvent[] {
    for (const event of events) {
      const info = this.run(event.run);
      this.runs.get(event.run)?.events.push(event);
      this.saw(event, info);
    }
    return events;
  }

  /** What push-logs notes of an event that it has seen, stored or not. */
  saw(event: LogEvent, info = this.run(event.run)): void {
    if (!("seq" in event)) return;
    info.lastSeq = Math.max(info.lastSeq, event.seq);
    info.lastTs = Math.max(info.lastTs, tsOf(event));
    this.run(event.run, { state: "running" });
    const { executionUsd, spend } = event as Partial<Spend> & { spend?: Spend };
    const spentUsd = executionUsd ?? spend?.executionUsd;
    if (spentUsd !== undefined) info.spentUsd = Math.max(info.spentUsd ?? 0, spentUsd);
    if (event.type === "pull_request" && "url" in event) info.pullRequest = event.url;
    if (event.type === "run.end" && "exit" in event) {
      this.run(event.run, { state: "ended", reason: event.reason, exit: event.exit });
    }
  }

  infos(): RunInfo[] {
    return [...this.runs.values()].map(({ info }) => info).sort((a, b) => (a.run < b.run ? -1 : 1));
  }

  /** Answers a request as send-logs does. */
  read(ask: SendLogs): Page {
    const limit = ask.limit ?? 1000;
    if (ask.ranges !== undefined) {
      const all = ask.ranges.flatMap((range) => this.#range(range));
      return { events: all.slice(0, limit), complete: all.length <= limit, cursor: null };
    }
    let all = this.#all().filter((event) => ask.run === undefined || event.run === ask.run);
    if (ask.since !== undefined) all = all.filter((event) => tsOf(event) >= (ask.since ?? 0));
    if (ask.before !== undefined) all = all.slice(0, Number(atob(ask.before)));
    const skipped = Math.max(0, all.length - limit);
    return {
      events: all.slice(skipped),
      complete: true,
      cursor: skipped === 0 ? null : btoa(String(skipped)),
    };
  }

  /** Whether a line of five minutes ago or earlier follows each of the ranges: what they lack is lost. */
  isSettled({ ranges = [] }: SendLogs): boolean {
    // CloudWatch's clock stays right when a test sets the client's.
    const old = performance.timeOrigin + performance.now() - 300_000;
    const follows = ({ run, to }: Range) =>
      this.runs
        .get(run)
        ?.events.some(
          (event) => to !== null && "seq" in event && event.seq > to && tsOf(event) <= old,
        );
    return ranges.length > 0 && ranges.every(follows);
  }

  /** Everything, in order: raw lines where their time puts them. */
  #all(): LogEvent[] {
    const key = (event: LogEvent) => ("seq" in event ? event.seq : 0);
    return [...this.runs.keys()].sort().flatMap((run) => {
      const events = this.runs.get(run)?.events ?? [];
      return [...events].sort((a, b) => tsOf(a) - tsOf(b) || key(a) - key(b));
    });
  }

  #range(range: Range): LogEvent[] {
    const events = this.runs.get(range.run)?.events ?? [];
    return events
      .filter((event) => tsOf(event) >= range.ts - 60_000)
      .filter((event) => {
        if (event.type === "raw") return true;
        const { seq } = event as { seq: number };
        return seq >= range.from && (range.to === null || seq <= range.to);
      })
      .sort((a, b) => ("seq" in a ? a.seq : 0) - ("seq" in b ? b.seq : 0));
  }
}

/** A raw line. */
export const raw = (run: Run, text: string, ts = Date.now()): RawLine => ({
  type: "raw",
  run,
  stream: "worker/worker/0123456789abcdef0123456789abcdef",
  ts,
  text,
});
