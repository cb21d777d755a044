import { runAttempt, type WorkerEvent } from "ralph-logs";
import { paint, type Span } from "./ansi.ts";
import { h } from "./dom.ts";
import { type Entry, plainOf } from "./entry.ts";
import * as format from "./format.ts";
import { indented } from "./json.ts";
import { prose } from "./prose.ts";
import type { Row } from "./rows.ts";
import { type Of, type RunSummary, startOf } from "./store.ts";

/** What a row's element needs to know beside the row. */
export interface Look {
  /** Where a text of a line has what the filter looks for. */
  marks: (entry: Entry, text: string) => Span[];
  /** Whether a line's long text is unfolded. */
  unfolded: (key: string) => boolean;
  /** Whether a line's JSON is shown. */
  json: (key: string) => boolean;
  /** The line that the keys act on. */
  chosen: string | undefined;
  /** Which repository a run works on, for links. */
  repo: (run: string) => string | undefined;
}

/** Lines and characters of a text that are shown while it is folded. */
const FOLDED = { tool: { lines: 1, length: 400 }, other: { lines: 20, length: 4_000 } };

/** A row's element. Text from log lines only ever becomes text nodes. */
export function renderRow(row: Row, look: Look): HTMLElement {
  if (row.kind === "run") return runRow(row.summary);
  if (row.kind === "gap") return gapRow(row);
  const { entry } = row;
  const known = entry.line.event as WorkerEvent;
  if (known.type === "iter.start") return iterationRow(entry, look);
  return lineRow(entry, look);
}

/** A state's tone, and it in words. */
export function stateOf({ info, end, task, wait }: RunSummary): { state: string; words: string } {
  const state = info?.state ?? (end === undefined ? "running" : "ended");
  const reason = end?.reason ?? info?.reason;
  if (state === "ended" && reason !== undefined) {
    return { state: reason === "complete" ? "done" : "stopped", words: reason };
  }
  if (state === "waiting" && wait !== undefined) {
    return { state, words: `waiting until ${format.minute(wait.until)}` };
  }
  // Before its first line, all there is to tell is what ECS says.
  if (state === "starting" && task !== undefined && task.status !== "RUNNING") {
    const words = `starting · task ${task.status.toLowerCase()}`;
    return { state: task.status === "STOPPED" ? "failed" : state, words };
  }
  return { state, words: state };
}

function runRow(summary: RunSummary): HTMLElement {
  const { run, info, end, task } = summary;
  const { state, words } = stateOf(summary);
  const reason = end?.text ?? (end === undefined ? (info?.reason ?? task?.reason) : undefined);
  const exit = end?.exit ?? info?.exit;
  return h(
    "div",
    { className: "row run" },
    h("h2", {}, `Attempt ${runAttempt(run)}`),
    h("span", { className: `state state-${state}` }, words),
    exit !== undefined && h("span", { className: "faint" }, `exit ${exit}`),
    h("span", { className: "faint" }, format.day(startOf(summary))),
    h("code", { className: "faint run-id", title: run }, run),
    reason !== undefined && h("p", { className: "reason" }, reason),
  );
}

function gapRow({ gap }: Row & { kind: "gap" }): HTMLElement {
  const n = gap.to - gap.from + 1;
  const words =
    gap.state === "lost"
      ? `${format.plural(n, "line")} lost: CloudWatch Logs does not have ${n === 1 ? "it" : "them"}`
      : `${format.plural(n, "line")} pending`;
  const which = n === 1 ? `${gap.from}` : `${gap.from}–${gap.to}`;
  return h(
    "div",
    { className: `row gap gap-${gap.state}` },
    words,
    h("span", { className: "faint" }, `#${which}`),
  );
}

function iterationRow(entry: Entry, look: Look): HTMLElement {
  const known = entry.line.event as WorkerEvent;
  const row = h("div", { className: "row iteration", "data-key": entry.key });
  if (look.chosen === entry.key) row.classList.add("chosen");
  row.append(
    h("h3", {}, `Iteration ${known.iter}`),
    h("span", { className: "faint" }, format.time(entry.line.ts)),
  );
  if (look.chosen === entry.key) row.append(actions(look.json(entry.key)));
  if (look.json(entry.key)) row.append(jsonOf(entry));
  return row;
}

function lineRow(entry: Entry, look: Look): HTMLElement {
  const { line, level, group, key } = entry;
  const known = line.event as WorkerEvent;
  const row = h("div", { className: `row line level-${level} group-${group}`, "data-key": key });
  if (look.chosen === key) row.classList.add("chosen");
  const failed = known.type === "agent.tool_result" && known.isError;
  if (failed) row.classList.add("failed");
  if ("parent" in known && known.parent !== undefined) row.classList.add("subagent");
  row.append(
    h(
      "time",
      { dateTime: new Date(line.ts).toISOString(), title: new Date(line.ts).toISOString() },
      format.time(line.ts),
    ),
    h("span", { className: "type" }, LABEL[known.type as string] ?? known.type),
    bodyOf(entry, look),
  );
  if (look.chosen === key) row.append(actions(look.json(key)));
  if (look.json(key)) row.append(jsonOf(entry));
  return row;
}

/** What a line says. One event in a shape that nobody expects must not keep the others from view. */
function bodyOf(entry: Entry, look: Look): HTMLElement {
  const known = entry.line.event as WorkerEvent;
  try {
    if (known.type === "iter.end") return summaryOf(known, look);
    if (known.type === "checkpoint") return checkpoint(known, look);
    if (known.type === "pull_request") {
      return h("div", { className: "text" }, pullRequest(known.url, known.draft));
    }
    return textOf(entry, look);
  } catch {
    return h("div", { className: "text" }, entry.text);
  }
}

/** What can be done with the chosen line, for those who do not use the keyboard. */
function actions(json: boolean): HTMLElement {
  const button = (act: string, title: string, pressed?: boolean) =>
    h(
      "button",
      {
        type: "button",
        title,
        "data-act": act,
        ...(pressed !== undefined && { "aria-pressed": String(pressed) }),
      },
      act,
    );
  return h(
    "div",
    { className: "actions", role: "group", "aria-label": "this line" },
    button("json", "show the line as JSON (x)", json),
    button("copy", "copy the line (c)"),
    button("link", "copy a link to the line (y)"),
  );
}

/** Words for types; a type without one is shown by its own name. */
const LABEL: Record<string, string> = {
  "agent.text": "agent",
  "agent.tool": "tool",
  "agent.tool_result": "result",
  "agent.stderr": "stderr",
  "agent.retry": "retry",
  "run.start": "start",
  "run.end": "end",
  "iter.end": "summary",
  "key.rotate": "key",
  checkpoint: "commit",
  pull_request: "pull",
};

function textOf(entry: Entry, look: Look): HTMLElement {
  const known = entry.line.event as WorkerEvent;
  const text = plainOf(entry);
  const tool = known.type === "agent.tool" || known.type === "agent.tool_result";
  const room = tool ? FOLDED.tool : FOLDED.other;
  const short = firstOf(text, room);
  const long = known.type === "agent.tool" || short.length < text.length;
  const folded = long && !look.unfolded(entry.key);
  const body = h("div", { className: "text" });
  if ("part" in known && known.part !== undefined) {
    const [n, of] = known.part;
    body.append(
      h("span", { className: "part", title: "a long text comes in parts" }, `${n}/${of}`),
    );
  }
  if ("parent" in known && known.parent !== undefined) {
    const title = `of the subagent that the tool call ${known.parent} started`;
    body.append(h("span", { className: "part", title }, "subagent"));
  }
  if (long) {
    body.classList.add("foldable");
    const label = `${folded ? "unfold" : "fold"} ${LABEL[known.type] ?? known.type}`;
    body.append(
      h(
        "button",
        {
          type: "button",
          className: "fold",
          "data-act": "fold",
          "aria-expanded": String(!folded),
          "aria-label": label,
        },
        folded ? "▸" : "▾",
      ),
    );
  }
  if (known.type === "agent.tool") {
    body.append(h("b", { className: "tool" }, known.name), " ");
    const words = gist(known);
    if (folded)
      body.append(h("span", { className: "faint" }, paint(words, look.marks(entry, words))));
    else body.append(pretty(known.text, (shown) => look.marks(entry, shown)));
    return body;
  }
  const marks = look.marks(entry, text);
  // What a filter found must be seen, even in the folded part.
  if (!folded || marks.some(([from]) => from >= short.length)) {
    const spoken = known.type === "agent.text" && marks.length === 0 && text === entry.text;
    body.append(spoken ? prose(text) : paint(entry.text, marks));
    return body;
  }
  // Colours cost characters; what is painted is at least what is read.
  body.append(paint(firstOf(entry.text, { ...room, length: room.length * 2 }), marks));
  const more = text.slice(short.length).split("\n").length - 1;
  const words = more > 0 ? `+ ${format.plural(more, "line")}` : "…";
  body.append(
    h("button", { type: "button", className: "more", "data-act": "fold", tabIndex: -1 }, words),
  );
  return body;
}

/** The first lines of a text, and no more than so many characters. */
function firstOf(text: string, { lines, length }: { lines: number; length: number }): string {
  let end = -1;
  for (let i = 0; i < lines; i++) {
    end = text.indexOf("\n", end + 1);
    if (end < 0) break;
  }
  const most = end < 0 ? text.length : end;
  return text.slice(0, Math.min(most, length)).replace(/\r$/, "");
}

/** A tool's input in a few words: the command, the path, the pattern; else the whole. */
function gist({ text }: Of<"agent.tool">): string {
  try {
    const input = JSON.parse(text) as Record<string, unknown>;
    for (const name of ["command", "file_path", "path", "pattern", "url", "query", "description"]) {
      const value = input[name];
      if (typeof value === "string")
        return (value.split("\n")[0] as string).slice(0, FOLDED.tool.length);
    }
  } catch {
    // A part of a long input is not JSON.
  }
  return text.slice(0, FOLDED.tool.length);
}

function pretty(text: string, marks: (shown: string) => Span[]): Node {
  let shown = text;
  try {
    shown = indented(JSON.parse(text));
  } catch {
    // A part of a long input is shown as it is.
  }
  return h("pre", {}, paint(shown, marks(shown)));
}

function summaryOf(known: Of<"iter.end">, look: Look): HTMLElement {
  const { tokens } = known;
  const ok = known.outcome === "ok";
  const input = tokens.input + tokens.cacheRead + tokens.cacheWrite;
  const facts = [
    format.money(known.costUsd),
    format.duration(known.durationMs),
    `${format.plural(known.turns, "turn")}`,
    `${format.count(input)} in, ${format.count(tokens.output)} out`,
  ];
  return h(
    "div",
    { className: "text summary" },
    h("span", { className: `outcome ${ok ? "ok" : "bad"}` }, `${ok ? "✓" : "✗"} ${known.outcome}`),
    ...facts.map((fact) => h("span", {}, fact)),
    known.commit !== undefined && commit(known.commit, look.repo(known.run)),
  );
}

function checkpoint(known: Of<"checkpoint">, look: Look): HTMLElement {
  return h(
    "div",
    { className: "text" },
    known.pushed ? "pushed " : "could not push ",
    commit(known.commit, look.repo(known.run)),
    " to ",
    h("code", {}, known.branch),
  );
}

/** A commit, as a link when the repository is on the web. */
export function commit(sha: string, repo: string | undefined): HTMLElement {
  const short = h("code", {}, sha.slice(0, 10));
  if (repo === undefined || !/^https:\/\//.test(repo) || !/^[0-9a-f]{7,64}$/.test(sha))
    return short;
  const href = `${repo.replace(/\.git$/, "").replace(/\/$/, "")}/commit/${sha}`;
  return h("a", { href, target: "_blank", rel: "noopener noreferrer" }, short);
}

/** A pull request, as a link when it is on the web. */
export function pullRequest(url: string, draft: boolean): HTMLElement {
  const number = /\/(\d+)$/.exec(url)?.[1];
  const words = `${draft ? "draft " : ""}pull request${number === undefined ? "" : ` #${number}`}`;
  if (!/^https:\/\//.test(url)) return h("span", {}, words);
  return h("a", { href: url, title: url, target: "_blank", rel: "noopener noreferrer" }, words);
}

const jsonOf = (entry: Entry): HTMLElement =>
  h(
    "pre",
    { className: "json", tabIndex: 0, "aria-label": "the line as JSON" },
    indented(entry.line.event),
  );
