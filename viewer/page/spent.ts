import { type Limits, runAttempt } from "ralph-logs";
import type { LogStore, Of } from "./store.ts";

/** An iteration of an execution, all its tries added up. */
export interface IterationSum {
  iter: number;
  costUsd: number;
  tokens: number;
}

/** What an execution has spent, according to its lines. */
export interface Spent {
  /** `undefined`: its beginning is not among the lines, and no iteration's end is either. */
  costUsd: number | undefined;
  tokens: number;
  /** Whether each iteration's end is among the lines; if not, tokens are at least these. */
  whole: boolean;
  iterations: IterationSum[];
  /** Its limits, if an attempt's beginning is among the lines. */
  limits: Limits | undefined;
}

/** Attempts of one execution share its limits, and so all up to `run` count. */
export const executionOf = (run: string): string => run.slice(0, 26);

/** Adds up what the execution of `run` has spent, up to this attempt. */
export function spentOf(store: LogStore, run: string): Spent {
  const iterations = new Map<number, IterationSum>();
  let latest: Of<"iter.end"> | undefined;
  let limits: Limits | undefined;
  let costUsd = 0;
  let tokens = 0;
  for (const other of store.order) {
    if (other > run || executionOf(other) !== executionOf(run)) continue;
    const { ends, start } = store.summary(other);
    limits = start?.limits ?? limits;
    for (const seq of [...ends.keys()].sort((a, b) => a - b)) {
      const end = ends.get(seq) as Of<"iter.end">;
      const { iter } = end;
      const sum = iterations.get(iter) ?? { iter, costUsd: 0, tokens: 0 };
      const { input, output, cacheRead, cacheWrite } = end.tokens;
      sum.costUsd += end.costUsd;
      sum.tokens += input + output + cacheRead + cacheWrite;
      costUsd += end.costUsd;
      tokens += input + output + cacheRead + cacheWrite;
      iterations.set(iter, sum);
      latest = end;
    }
  }
  // The worker's own sum holds what the page has not loaded.
  const sums = [...iterations.values()].sort((a, b) => a.iter - b.iter);
  const fresh = runAttempt(run) === 1 && store.summary(run).start !== undefined;
  return {
    costUsd: latest === undefined && !fresh ? undefined : (latest?.spentUsd ?? costUsd),
    tokens,
    whole: latest === undefined ? fresh : sums[0]?.iter === 1 && sums.length === latest.iter,
    iterations: sums,
    limits,
  };
}
