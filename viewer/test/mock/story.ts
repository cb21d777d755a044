import type { Level, LogEvent, Run, Spend, Tokens, WorkerEvent } from "ralph-logs";

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** A run id whose ULID says `ms`. */
export function runAt(ms: number, attempt = 1): Run {
  let time = "";
  for (let n = ms, i = 0; i < 10; i++, n = Math.floor(n / 32)) time = ALPHABET[n % 32] + time;
  return `${time}${"0123456789ABCDEF"}-${String(attempt).padStart(4, "0")}`;
}

type Fields = { [name: string]: unknown };

/** Writes the events of a run, one after the other. */
export class Writer {
  seq = 0;
  iter = 0;
  /** What the execution has cost, and the attempts before this one of it. */
  spent = 0;
  before = 0;
  /** Of this attempt. */
  readonly tokens: Tokens = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 };
  iterations = 0;
  readonly workstream: string;
  readonly run: Run;
  /** The time of the next event, ms since the epoch. */
  now: number;

  constructor(workstream: string, run: Run, now = Date.now()) {
    this.workstream = workstream;
    this.run = run;
    this.now = now;
  }

  event(type: string, fields: Fields = {}, level: Level = "info"): LogEvent {
    this.seq++;
    const { workstream, run, seq, iter } = this;
    const ts = new Date(this.now).toISOString();
    return {
      v: 1,
      ts,
      workstream,
      run,
      seq,
      iter,
      level,
      type,
      ...fields,
    } as unknown as WorkerEvent;
  }

  /** Another attempt of the same execution: it goes on where this one ended. */
  next(now: number): Writer {
    const next = new Writer(
      this.workstream,
      this.run.replace(/\d{4}$/, (n) => String(Number(n) + 1).padStart(4, "0")),
      now,
    );
    next.iter = this.iter;
    next.spent = this.spent;
    next.before = this.spent;
    return next;
  }

  /** `count` plain lines. */
  lines(count: number, text = (n: number) => `line ${n}`): LogEvent[] {
    return Array.from({ length: count }, () => this.event("log", { text: text(this.seq + 1) }));
  }

  start(): LogEvent {
    return this.event("run.start", {
      attempt: Number(this.run.slice(27)),
      repo: "https://git.example.com/acme/parser",
      branch: `ralph/${this.workstream}`,
      limits: {
        maxIterations: 20,
        maxDurationSecs: 14_400,
        maxCostUsd: 25,
        iterationTimeoutSecs: 1_800,
        silenceSecs: 300,
        maxStalls: 3,
      },
    });
  }

  end(reason = "complete", exit = 0, text?: string): LogEvent {
    const spend = this.spend();
    return this.event("run.end", { reason, exit, ...(text !== undefined && { text }), spend });
  }

  /** What the attempt has spent, and what it has reserved beyond that, US dollars. */
  spend(reservedUsd = 0): Spend {
    const { spent: executionUsd, before, iterations } = this;
    const tokens = { ...this.tokens };
    return { spentUsd: executionUsd - before, reservedUsd, executionUsd, tokens, iterations };
  }
}

const TASKS = [
  "Split the tokenizer from the parser",
  "Report the column of a syntax error",
  "Accept trailing commas in lists",
  "Cache compiled grammars between calls",
  "Document the error type",
];

/** One iteration of an agent at work, with a little of everything. */
export function iteration(w: Writer, step = 1_000): LogEvent[] {
  w.iter++;
  const n = w.iter;
  const out: LogEvent[] = [];
  const say = (type: string, fields: Fields, level: Level = "info") => {
    w.now += step;
    out.push(w.event(type, fields, level));
  };
  const task = TASKS[n % TASKS.length] as string;
  say("iter.start", {});
  say("agent.text", { text: `Next on the list: **${task}**. I'll read the code first.` });
  out.push(w.event("spend", w.spend(1.2)));
  const read = `toolu_${n}a`;
  say("agent.tool", { id: read, name: "Read", text: '{"file_path":"src/parser.rs","limit":80}' });
  say("agent.tool_result", {
    id: read,
    isError: false,
    text: Array.from(
      { length: 14 },
      (_, i) =>
        `${String(i + 1).padStart(4)}  pub fn rule_${i}(&mut self) -> Result<Node, Error> {`,
    ).join("\n"),
  });
  const test = `toolu_${n}b`;
  say("agent.tool", {
    id: test,
    name: "Bash",
    text: '{"command":"cargo test --quiet","description":"Run the tests"}',
  });
  const failed = n % 3 === 2;
  say("agent.tool_result", {
    id: test,
    isError: failed,
    text: failed
      ? "\u001b[1mrunning 48 tests\u001b[0m\n\u001b[31mtest column_of_error ... FAILED\u001b[0m\n\u001b[38;5;208mexpected 12, got 11\u001b[0m\ntest result: \u001b[31mFAILED\u001b[0m. 47 passed; 1 failed"
      : "\u001b[1mrunning 48 tests\u001b[0m\n\u001b[32m................................................\u001b[0m\ntest result: \u001b[32mok\u001b[0m. 48 passed; 0 failed",
  });
  if (n % 4 === 3) say("agent.retry", { attempt: 1, delayMs: 2_400, status: 529 }, "warn");
  if (n % 5 === 4) say("limit", { status: "allowed_warning", resetsAt: w.now + 3_600_000 }, "warn");
  say("agent.text", {
    text: failed
      ? "One test fails: the column counts from 0. Fixing that."
      : "All tests pass. Committing.",
  });
  if (failed)
    say("agent.stderr", { text: "warning: unused variable `lexer` in src/parser.rs:212" }, "warn");
  const costUsd = 0.31 + 0.17 * Math.abs(Math.sin(n * 1.7)) + n * 0.01;
  const tokens = {
    input: 4_100 + 900 * n,
    output: 1_800 + 310 * (n % 4),
    cacheRead: 61_000 + 3_000 * n,
    cacheWrite: 5_200,
  };
  w.spent += costUsd;
  w.iterations++;
  for (const kind of Object.keys(tokens) as (keyof Tokens)[]) w.tokens[kind] += tokens[kind];
  const commit = (0x1a2b3c4d5e6f * (n + 7)).toString(16).repeat(4).slice(0, 40);
  say("checkpoint", { commit, branch: `ralph/${w.workstream}`, pushed: true });
  if (n === 1) {
    say("pull_request", {
      url: "https://git.example.com/acme/parser/pull/17",
      number: 17,
      draft: true,
    });
  }
  say(
    "iter.end",
    {
      outcome: n % 7 === 6 ? "error" : "ok",
      costUsd,
      tokens,
      turns: 6 + (n % 5),
      durationMs: 84_000 + 9_000 * (n % 4),
      commit,
    },
    n % 7 === 6 ? "error" : "info",
  );
  out.push(w.event("spend", w.spend()));
  return out;
}
