// Code generated from protocol/ by `just gen`; DO NOT EDIT.

/**
 * A line of work, `[a-z0-9][a-z0-9-]{0,47}`: names a branch, a page and a token's scope. Not
 * `rescue`: its branch would take the place of everybody's rescue branches.
 */
export type Workstream = string;

/**
 * One start of a worker: `<ulid>-<attempt, 4 digits>`. Text order is start order.
 *
 * Attempts of one execution share the ULID, so its time is when the execution began.
 */
export type Run = string;

/**
 * How much a line matters.
 */
export type Level = "debug" | "info" | "warn" | "error";

/**
 * What ends a run. Limits that bound what it logs and commits are not among them.
 */
export type Limits = {
/**
 * Most iterations.
 */
maxIterations: number,
/**
 * Longest duration, seconds.
 */
maxDurationSecs: number,
/**
 * Highest cost, US dollars.
 */
maxCostUsd: number,
/**
 * Longest iteration, seconds.
 */
iterationTimeoutSecs: number,
/**
 * Longest silence, seconds.
 */
silenceSecs: number,
/**
 * Most iterations in a row without progress.
 */
maxStalls: number, };

/**
 * Tokens as the service counts them.
 */
export type Tokens = {
/**
 * Read by the model.
 */
input: number,
/**
 * Written by the model.
 */
output: number,
/**
 * Read from the cache.
 */
cacheRead: number,
/**
 * Written to the cache.
 */
cacheWrite: number, };

/**
 * What a run has used. It grows from event to event, except for what is reserved.
 */
export type Spend = {
/**
 * What this run has cost, US dollars.
 */
spentUsd: number,
/**
 * What this run may cost beyond that before the next such event, US dollars: requests that are
 * under way or may follow.
 */
reservedUsd: number,
/**
 * What the execution has cost, US dollars: its earlier runs, as the worker was told, and this
 * one. It stands against [`Limits::max_cost_usd`].
 */
executionUsd: number,
/**
 * Tokens of this run.
 */
tokens: Tokens,
/**
 * Iterations of this run that have ended.
 */
iterations: number, };

/**
 * How a run ended.
 */
export type RunExit = "complete" | "iterations" | "duration" | "budget" | "stalled" | "git" | "pushConflict" | "unpushed" | "noSpace" | "configuration" | "noKey" | "internal" | "interrupted" | "waiting";

/**
 * One event, as it is written.
 */
export type WorkerEvent = {
/**
 * [`VERSION`].
 */
v: number,
/**
 * When, RFC 3339 in UTC with milliseconds.
 */
ts: string,
/**
 * The workstream.
 */
workstream: Workstream,
/**
 * The run.
 */
run: Run,
/**
 * From 1, without holes.
 */
seq: number,
/**
 * The iteration, 0 before the first.
 */
iter: number,
/**
 * How much it matters.
 */
level: Level,
/**
 * `[n, of]`, both from 1, when a longer text was cut into parts.
 */
part?: [number, number], } & ({ "type": "run.start",
/**
 * Attempt, from 1.
 */
attempt: number,
/**
 * Repository, without credentials.
 */
repo: string,
/**
 * Branch the work goes to.
 */
branch: string,
/**
 * What bounds the run.
 */
limits: Limits, } | { "type": "clone",
/**
 * Commit the work starts from.
 */
commit: string,
/**
 * How long it took.
 */
durationMs: number,
/**
 * Branch the work goes to: it may differ from the one that `run.start` names.
 */
branch?: string, } | { "type": "setup",
/**
 * A line of its output.
 */
text: string, } | { "type": "iter.start", } | { "type": "agent.text",
/**
 * What.
 */
text: string,
/**
 * Id of the tool call that started the subagent whose line this is; absent: the agent's own.
 */
parent?: string, } | { "type": "agent.tool",
/**
 * Ties the result to the call.
 */
id: string,
/**
 * Tool's name.
 */
name: string,
/**
 * Its input, as JSON text.
 */
text: string,
/**
 * As in `agent.text`.
 */
parent?: string, } | { "type": "agent.tool_result",
/**
 * The call's id.
 */
id: string,
/**
 * What it answered.
 */
text: string,
/**
 * Whether it failed.
 */
isError: boolean,
/**
 * As in `agent.text`.
 */
parent?: string, } | { "type": "agent.stderr",
/**
 * The line.
 */
text: string, } | { "type": "agent.retry",
/**
 * Which try.
 */
attempt: number,
/**
 * When the next one is made.
 */
delayMs: number,
/**
 * HTTP status, when there was one.
 */
status?: number, } | { "type": "limit",
/**
 * `allowed_warning` or `rejected`.
 */
status: string,
/**
 * When it resets, ms since the epoch.
 */
resetsAt?: number, } | { "type": "key.rotate",
/**
 * Id of the key that failed.
 */
from: string,
/**
 * Id of the next one, if there is one.
 */
to?: string,
/**
 * Why.
 */
reason: string, } | { "type": "checkpoint",
/**
 * The commit.
 */
commit: string,
/**
 * Branch it was pushed to.
 */
branch: string,
/**
 * Whether the push succeeded.
 */
pushed: boolean, } | { "type": "pull_request",
/**
 * Its page.
 */
url: string,
/**
 * Its number.
 */
number: number,
/**
 * Whether it is a draft.
 */
draft: boolean, } | { "type": "iter.end",
/**
 * `ok`, `partial`, `timeout`, `limit`, `crash`, …
 */
outcome: string,
/**
 * Cost of this iteration, US dollars.
 */
costUsd: number,
/**
 * Tokens of this iteration.
 */
tokens: Tokens,
/**
 * Turns the agent took.
 */
turns: number,
/**
 * How long it took.
 */
durationMs: number,
/**
 * HEAD afterwards.
 */
commit?: string, } | { "type": "spend" } & Spend | { "type": "wait",
/**
 * Until when, ms since the epoch.
 */
until: number,
/**
 * Why.
 */
reason: string, } | { "type": "interrupt",
/**
 * `SIGTERM`, …
 */
signal: string, } | { "type": "run.end",
/**
 * How.
 */
reason: RunExit,
/**
 * The exit code.
 */
exit: number,
/**
 * One sentence for a person.
 */
text?: string,
/**
 * What the run has spent in the end; nothing is reserved any more. A run that was refused
 * before it began has none.
 */
spend?: Spend, } | { "type": "log",
/**
 * What.
 */
text: string, });

/**
 * A line that is not an event of ours: what precedes or outlives the worker.
 */
export type RawLine = { "type": "raw",
/**
 * The run its stream belongs to.
 */
run: Run,
/**
 * The log stream.
 */
stream: string,
/**
 * CloudWatch's timestamp, ms since the epoch.
 */
ts: number,
/**
 * The line.
 */
text: string,
/**
 * `[n, of]`, both from 1, when the line did not fit into one frame.
 */
part?: [number, number], };

/**
 * Where a run stands. It never goes back: [`RunState::rank`] only grows.
 */
export type RunState = "starting" | "running" | "waiting" | "ended" | "failed";

/**
 * Where a run stands.
 */
export type RunInfo = {
/**
 * The run.
 */
run: Run,
/**
 * Attempt, from 1.
 */
attempt: number,
/**
 * Ms since the epoch.
 */
startedAt: number,
/**
 * Highest `seq` seen; 0 before the first event.
 */
lastSeq: number,
/**
 * Latest event time seen, ms since the epoch; 0 before the first event.
 */
lastTs: number,
/**
 * Where it stands. What a newer server calls otherwise runs.
 */
state: RunState,
/**
 * Why it ended, waits or failed.
 */
reason?: string,
/**
 * The worker's exit code.
 */
exit?: number,
/**
 * What the execution has cost up to here, US dollars: this run and those before it. Once the
 * run is over and settled it is the ledger's number; until then what the worker last said.
 */
spentUsd?: number,
/**
 * The pull request with its work, a link.
 */
pullRequest?: string,
/**
 * Raw lines, or parts of long ones, that were delivered; one that CloudWatch delivers twice counts twice. Absent: none,
 * so that none needs to be asked for.
 */
raw?: number, };

/**
 * Where a workstream stands: its newest execution. Within a run it never goes back:
 * [`WorkstreamState::rank`] only grows.
 */
export type WorkstreamState = "starting" | "running" | "ending" | "waiting" | "stopped" | "limit" | "blocked" | "cannotStart" | "gaveUp" | "complete";

/**
 * Where a workstream stands: a line of the list, and what is new about it.
 */
export type WorkstreamInfo = {
/**
 * The workstream.
 */
workstream: Workstream,
/**
 * Its newest execution's name; absent before `admit` has told it.
 */
execution?: string,
/**
 * Its newest run.
 */
run: Run,
/**
 * Where its newest execution stands.
 */
state: WorkstreamState,
/**
 * When that execution was started, ms since the epoch.
 */
startedAt: number,
/**
 * Since when it stands there, ms since the epoch.
 */
changedAt: number,
/**
 * Latest event time, ms since the epoch; 0 before the first event. While lines come, it is up to
 * a minute late.
 */
lastTs: number,
/**
 * Until when it waits, ms since the epoch.
 */
waitUntil?: number,
/**
 * What the execution has cost so far, US dollars. As late as `last_ts` while it runs; once it is
 * over it is the ledger's number.
 */
spentUsd?: number,
/**
 * The pull request with its work, a link.
 */
pullRequest?: string,
/**
 * Why it ended, or why it waits.
 */
reason?: string,
/**
 * The exit code of the worker that ended last.
 */
exit?: number, };

/**
 * Where lines come from.
 */
export type Source = "live" | "replay";

/**
 * Why a request failed.
 */
export type ErrorCode = "badRequest" | "forbidden" | "throttled" | "internal";

/**
 * Events `from..=to` of a run.
 */
export type Range = {
/**
 * The run.
 */
run: Run,
/**
 * First `seq`, from 1.
 */
from: number,
/**
 * Last `seq`; null: whatever there is.
 */
to: number | null,
/**
 * A time at or before the first of them, ms since the epoch: where reading begins (minus a
 * minute, since clocks differ). 0: at the beginning of the run's stream.
 */
ts: number,
/**
 * Goes on where an answer stopped, at its [`ReadTo::ts`]: reading begins exactly there, whatever
 * `ts` says.
 */
after?: number, };

/**
 * How far an answer to `ranges` has read before it stopped.
 */
export type ReadTo = {
/**
 * In this run. Runs before it were read to their ends, and later ones were not begun.
 */
run: Run,
/**
 * Everything that the stream holds from before this time was sent, ms since the epoch by
 * CloudWatch's clock. For [`Range::after`].
 */
ts: number, };

/**
 * The request `sendLogs`. Without `ranges`, `before`, `since` or `run`: the newest lines.
 */
export type SendLogs = {
/**
 * Repeated in the answers.
 */
id?: string,
/**
 * The workstream.
 */
workstream: Workstream,
/**
 * `true`: deliver new lines as they come; `false`: replay once and unsubscribe. Absent: `true`
 * without `ranges` or `before`, and with them the subscription stays as it is.
 */
follow?: boolean,
/**
 * Most lines, 1 to [`MAX_LIMIT`].
 */
limit?: number,
/**
 * Exactly these, oldest first.
 */
ranges?: Array<Range>,
/**
 * The page before this cursor.
 */
before?: string,
/**
 * Lines from this time on, ms since the epoch.
 */
since?: number,
/**
 * Only this run.
 */
run?: Run, };

/**
 * The request `listWorkstreams`.
 */
export type ListWorkstreams = {
/**
 * Repeated in the answers.
 */
id?: string, };

/**
 * What a client sends.
 */
export type ClientMessage = { "action": "sendLogs" } & SendLogs | { "action": "listWorkstreams" } & ListWorkstreams | { "action": "ping", };

/**
 * Lines of a workstream.
 */
export type Logs = {
/**
 * The request's id, in a replay.
 */
id?: string,
/**
 * The workstream.
 */
workstream: Workstream,
/**
 * Whether these are new or replayed.
 */
source: Source,
/**
 * Events verbatim, or [`RawLine`]s.
 */
events: Array<LogEvent>, };

/**
 * What a server sends. Read one with [`ServerMessage::parse`].
 */
export type ServerMessage = { "type": "logs" } & Logs | { "type": "runs",
/**
 * The workstream.
 */
workstream: Workstream,
/**
 * In order of their ids.
 */
runs: Array<RunInfo>, } | { "type": "task",
/**
 * The workstream.
 */
workstream: Workstream,
/**
 * The run.
 */
run: Run,
/**
 * ECS's `lastStatus`.
 */
status: string,
/**
 * ECS's `stopCode`.
 */
stopCode?: string,
/**
 * ECS's `stoppedReason`.
 */
reason?: string, } | { "type": "workstreams",
/**
 * The request's id.
 */
id?: string,
/**
 * Some of them, or the rest.
 */
workstreams: Array<WorkstreamInfo>,
/**
 * `false`: another frame follows.
 */
complete: boolean, } | { "type": "caughtUp",
/**
 * The request's id.
 */
id?: string,
/**
 * The workstream.
 */
workstream: Workstream,
/**
 * `false`: the time or the bytes of one answer ran out, or reading was throttled. Go on with
 * `cursor` or `readTo`; count nothing as lost.
 */
complete: boolean,
/**
 * For `before`; null: nothing older.
 */
cursor: string | null,
/**
 * How far an incomplete answer to `ranges` has read.
 */
readTo?: ReadTo,
/**
 * What a complete answer to `ranges` lacks will not come any more: behind each number that it
 * lacks stands a line that CloudWatch Logs took five minutes ago or earlier.
 */
settled?: boolean, } | { "type": "pong", } | { "type": "error",
/**
 * The request's id.
 */
id?: string,
/**
 * The workstream.
 */
workstream?: Workstream,
/**
 * For programs. What a newer server calls otherwise is taken for `internal`.
 */
code: ErrorCode,
/**
 * For people.
 */
message: string,
/**
 * When to try again.
 */
retryAfterMs?: number, };

/** What `logs` carries. Types that are not known yet pass as `UnknownEvent`. */
export type LogEvent = WorkerEvent | UnknownEvent | RawLine;

/** An event of a type this build does not know: its envelope is still valid. */
export type UnknownEvent = { v: number; ts: string; workstream: string; run: string; seq: number; type: string };
