import type { Random } from "./asking.ts";
import type { Line } from "./line.ts";
import type { ClientMessage, ErrorCode, Run, RunInfo, ServerMessage } from "./protocol.ts";

/** How the rules are set up. */
export interface RulesOptions {
  workstream: string;
  /** Lines of the first page, 1 to 10,000. */
  limit?: number;
  /** Numbers to ask for again after a reconnect although they are held; for tests. */
  overlap?: number;
  /** Jitter between requests. */
  random?: Random;
  /** Gives each request its id: one counter for all workstreams of a connection. */
  id?: () => string;
}

/** What happens to the rules. */
export type Input =
  | { type: "connected" }
  | { type: "disconnected" }
  | { type: "message"; message: ServerMessage | { type?: undefined } }
  | { type: "tick" };

/** What the rules want done. */
export type Output =
  /** Send this. */
  | { type: "send"; message: Exclude<ClientMessage, { action: "listWorkstreams" }> }
  /** Show these, each at its place: after every shown line of a lower run or number. */
  | { type: "show"; lines: Line[] }
  /** These numbers will not come. */
  | { type: "lost"; run: Run; from: number; to: number }
  /**
   * The first page is here; what follows is new, or older than the page where that was too large for
   * one answer.
   */
  | { type: "caughtUp" }
  /** Where runs stand has changed. */
  | { type: "runs"; runs: RunInfo[] }
  /** The server refuses a request of ours for good; after `forbidden` nothing more is asked. */
  | { type: "refused"; code: ErrorCode; message: string };

/** Numbers that are missing or lost. */
export interface Gap {
  run: Run;
  from: number;
  to: number;
  /** `pending`: being asked for; `lost`: CloudWatch Logs does not have them. */
  state: "pending" | "lost";
}
