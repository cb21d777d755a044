import type { Gap, Level } from "ralph-logs";
import { type Entry, type Group, plainOf } from "./entry.ts";
import type { Pattern } from "./filter.ts";
import type { LogStore, RunSummary } from "./store.ts";

/** One row of the list. */
export type Row =
  | { kind: "run"; key: string; summary: RunSummary }
  | { kind: "gap"; key: string; gap: Gap }
  | { kind: "line"; key: string; entry: Entry };

/** What a person wants to see. */
export interface Wanted {
  levels: Set<Level>;
  groups: Set<Group>;
  pattern: Pattern | undefined;
  /** Changes whenever any of the others does. */
  version: number;
}

/** Whether a line is wanted. */
export function isWanted(entry: Entry, wanted: Wanted): boolean {
  if (entry.matches?.filter === wanted.version) return entry.matches.value;
  const value =
    wanted.levels.has(entry.level) &&
    wanted.groups.has(entry.group) &&
    (wanted.pattern === undefined || wanted.pattern.test(plainOf(entry)));
  entry.matches = { filter: wanted.version, value };
  return value;
}

/** The rows of a workstream, from the oldest to the newest. */
export function rowsOf(store: LogStore, wanted: Wanted): Row[] {
  const rows: Row[] = [];
  const gaps = new Map<string, Gap[]>();
  for (const gap of store.gaps) gaps.set(gap.run, [...(gaps.get(gap.run) ?? []), gap]);
  for (const run of store.order) {
    const list = store.runs.get(run) ?? [];
    const holes = gaps.get(run) ?? [];
    const summary = store.summary(run);
    // A run that is known by its name alone is history, unless it never got to a first line.
    const failed = summary.info?.state === "failed" && summary.info.lastSeq === 0;
    if (list.length === 0 && holes.length === 0 && !failed) continue;
    rows.push({ kind: "run", key: run, summary });
    let next = 0;
    const upTo = (seq: number) => {
      for (let gap = holes[next]; gap !== undefined && gap.from < seq; gap = holes[++next]) {
        rows.push({ kind: "gap", key: `${run}/gap${gap.from}${gap.state}`, gap });
      }
    };
    for (const entry of list) {
      if (entry.line.seq > 0 && next < holes.length) upTo(entry.line.seq);
      if (isWanted(entry, wanted)) rows.push({ kind: "line", key: entry.key, entry });
    }
    upTo(Infinity);
  }
  return rows;
}
