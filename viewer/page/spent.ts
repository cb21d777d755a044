import { type Limits, runAttempt, type Tokens } from "ralph-logs";
import type { LogStore } from "./store.ts";

/** An iteration of an execution, all its tries added up. */
export interface IterationSum {
  iter: number;
  costUsd: number;
  tokens: number;
}

/** What an execution has spent, by its ledger and according to its lines. */
export interface Spent {
  /** `undefined`: neither a line nor the server has told. */
  costUsd: number | undefined;
  /** What this attempt may cost beyond that before it says so. */
  reservedUsd: number;
  tokens: number;
  /** Whether it is known what each attempt has spent; if not, tokens are at least these. */
  whole: boolean;
  iterations: IterationSum[];
  /** Its limits, if an attempt's beginning is among the lines. */
  limits: Limits | undefined;
}

/** Attempts of one execution share its limits, and so all up to `run` count. */
export const executionOf = (run: string): string => run.slice(0, 26);

const sumOf = ({ input, output, cacheRead, cacheWrite }: Tokens): number =>
  input + output + cacheRead + cacheWrite;

/** What the execution of `run` has spent, up to this attempt. */
export function spentOf(store: LogStore, run: string): Spent {
  const iterations = new Map<number, IterationSum>();
  let costUsd: number | undefined;
  let limits: Limits | undefined;
  let tokens = 0;
  let known = 0;
  for (const other of store.order) {
    if (other > run || executionOf(other) !== executionOf(run)) continue;
    const summary = store.summary(other);
    const { start, spend, info } = summary;
    limits = start?.limits ?? limits;
    if (summary.costUsd !== undefined) costUsd = Math.max(costUsd ?? 0, summary.costUsd);
    if (spend !== undefined) tokens += sumOf(spend.tokens);
    // One that has written nothing, or nothing of this since its beginning, has spent nothing.
    if (spend !== undefined || start !== undefined || info?.lastSeq === 0) known++;
    for (const end of summary.ends.values()) {
      const sum = iterations.get(end.iter) ?? { iter: end.iter, costUsd: 0, tokens: 0 };
      sum.costUsd += end.costUsd;
      sum.tokens += sumOf(end.tokens);
      iterations.set(end.iter, sum);
    }
  }
  const whole = known === runAttempt(run);
  return {
    costUsd: costUsd ?? (whole ? 0 : undefined),
    reservedUsd: store.summary(run).spend?.reservedUsd ?? 0,
    tokens,
    whole,
    iterations: [...iterations.values()].sort((a, b) => a.iter - b.iter),
    limits,
  };
}
