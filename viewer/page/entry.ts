import type { Level, Line, WorkerEvent } from "ralph-logs";
import { plain } from "./ansi.ts";
import { minute } from "./format.ts";
import { json } from "./json.ts";

/** The groups that the type chips switch. */
export const GROUPS = ["agent", "tools", "git", "run", "log", "raw"] as const;
export type Group = (typeof GROUPS)[number];
export const LEVELS = ["debug", "info", "warn", "error"] as const;

/** A line with what the page needs to know of it. */
export interface Entry {
  /** Unique among all lines of the workstream. */
  key: string;
  line: Line;
  level: Level;
  group: Group;
  /** Its text, with escape codes. */
  text: string;
  /** Characters it costs to keep. */
  size: number;
  /** Its text without escape codes, made when first needed. */
  plain?: string;
  /** Whether the current filter lets it through; the number says which filter that was. */
  matches?: { filter: number; value: boolean };
}

const GROUP: Record<string, Group> = {
  "agent.text": "agent",
  "agent.stderr": "agent",
  "agent.retry": "agent",
  "agent.tool": "tools",
  "agent.tool_result": "tools",
  clone: "git",
  checkpoint: "git",
  pull_request: "git",
  "run.start": "run",
  "iter.start": "run",
  setup: "tools",
  "iter.end": "run",
  "run.end": "run",
  limit: "run",
  "key.rotate": "run",
  wait: "run",
  interrupt: "run",
  raw: "raw",
};

/** Whether a person reads it. What a run has spent so far is for the header: it comes all the time. */
export const isShown = ({ event }: Line): boolean => event.type !== "spend";

let rawNumber = 0;

/** Looks at a line once. */
export function entryOf(line: Line): Entry {
  const event = line.event as WorkerEvent;
  const key = line.seq > 0 ? `${line.run}/${line.seq}` : `${line.run}/raw${++rawNumber}`;
  const text = textOf(line);
  return {
    key,
    line,
    level: LEVELS.includes(event.level) ? event.level : "info",
    group: GROUP[event.type as string] ?? "log",
    text,
    size: text.length + 400,
  };
}

/** The plain text of an entry. */
export function plainOf(entry: Entry): string {
  entry.plain ??= plain(entry.text);
  return entry.plain;
}

/** The text; of an event that lacks what its type should have, all of it. */
function textOf(line: Line): string {
  try {
    const text: unknown = wordsOf(line);
    if (typeof text === "string") return text;
  } catch {
    // Another version of the worker may write it in another shape.
  }
  return json(line.event);
}

function wordsOf({ event }: Line): string {
  const known = event as WorkerEvent;
  switch (known.type) {
    case "agent.tool":
      return `${known.name} ${known.text}`;
    case "agent.text":
    case "agent.tool_result":
    case "agent.stderr":
    case "setup":
    case "log":
      return known.text;
    case "run.start":
      return `attempt ${known.attempt} on ${known.repo}, branch ${known.branch}`;
    case "clone":
      return `checked out ${known.commit.slice(0, 10)}${known.branch === undefined ? "" : ` on ${known.branch}`} in ${known.durationMs} ms`;
    case "iter.start":
      return `iteration ${known.iter}`;
    case "iter.end":
      return `iteration ${known.iter} ${known.outcome}`;
    case "agent.retry": {
      const status = known.status === undefined ? "" : ` after status ${known.status}`;
      return `the agent tries again${status} in ${known.delayMs} ms (try ${known.attempt})`;
    }
    case "limit":
      return `usage limit: ${known.status}${known.resetsAt === undefined ? "" : `, resets at ${minute(known.resetsAt)}`}`;
    case "key.rotate":
      return `key ${known.from} → ${known.to ?? "none left"}: ${known.reason}`;
    case "checkpoint":
      return `${known.pushed ? "pushed" : "could not push"} ${known.commit.slice(0, 10)} to ${known.branch}`;
    case "pull_request":
      return `pull request ${known.url}${known.draft ? " (draft)" : ""}`;
    case "wait":
      return `waiting until ${minute(known.until)}: ${known.reason}`;
    case "interrupt":
      return `asked to stop by ${known.signal}`;
    case "run.end":
      return `${known.reason} (exit ${known.exit})${known.text === undefined ? "" : `: ${known.text}`}`;
    default: {
      const { text } = event as { text?: unknown };
      return typeof text === "string" ? text : json(event);
    }
  }
}
