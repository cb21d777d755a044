import type { Gap, Level } from "ralph-logs";
import { type Entry, type Group, isShown } from "./entry.ts";
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

/** Whether a line is wanted; one that is still being searched is not, for now. */
export function isWanted(entry: Entry, wanted: Wanted): boolean {
  if (entry.matches?.filter === wanted.version) return entry.matches.value;
  let value: boolean | undefined =
    isShown(entry.line) && wanted.levels.has(entry.level) && wanted.groups.has(entry.group);
  if (value && wanted.pattern !== undefined) value = wanted.pattern.matches(entry);
  if (value === undefined) return false;
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
    // A run that is known by its name alone is history, unless it has no line to show: it failed
    // before its first one, or that is still to come.
    const { state, lastSeq = 0 } = summary.info ?? {};
    const bare = lastSeq === 0 && (state === "failed" || run === store.order.at(-1));
    if (list.length === 0 && holes.length === 0 && !bare) continue;
    const before = rows.push({ kind: "run", key: run, summary });
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
    // A filter that finds nothing in a run leaves nothing of it.
    if (wanted.pattern !== undefined && rows.length === before) rows.pop();
  }
  return rows;
}
