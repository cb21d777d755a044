import { RUN } from "./line.ts";
import type { ServerMessage } from "./protocol.ts";

/**
 * What a frame from the server's side is.
 * - an object: a message, with the fields that its type must have
 * - `gateway`: without `type`, API Gateway's own. It failed to hand a request on; which, it does not say
 * - `unknown`: a message of a newer server
 * - `unreadable`: none of these, though it may have held lines
 */
export type Frame = ServerMessage | "gateway" | "unknown" | "unreadable";

type Check = (value: unknown) => boolean;

const text: Check = (value) => typeof value === "string";
const isRun: Check = (value) => text(value) && RUN.test(value as string);
const flag: Check = (value) => typeof value === "boolean";
const count: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const list =
  (element: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(element);
const maybe =
  (check: Check): Check =>
  (value) =>
    value === undefined || value === null || check(value);
const shape =
  (fields: { [name: string]: Check }): Check =>
  (value) =>
    typeof value === "object" &&
    value !== null &&
    Object.entries(fields).every(([name, is]) => is((value as { [name: string]: unknown })[name]));

const info = shape({
  run: isRun,
  attempt: count,
  startedAt: count,
  lastSeq: count,
  lastTs: count,
  // A newer server may know more words.
  state: text,
  raw: maybe(count),
});
// Elements of `events` are read one by one: one that is not an event does not spoil the others.
const MESSAGES: { [type: string]: Check } = {
  logs: shape({
    id: maybe(text),
    workstream: text,
    source: (value) => value === "live" || value === "replay",
    events: Array.isArray,
  }),
  runs: shape({ workstream: text, runs: list(info) }),
  task: shape({ workstream: text, run: isRun, status: text }),
  caughtUp: shape({
    id: maybe(text),
    workstream: text,
    complete: flag,
    cursor: (value) => value === null || text(value),
    readTo: maybe(shape({ run: isRun, ts: count })),
    settled: maybe(flag),
  }),
  pong: () => true,
  error: shape({
    id: maybe(text),
    workstream: maybe(text),
    code: text,
    message: text,
    retryAfterMs: maybe(count),
  }),
};

/** Reads a frame, whatever it is. */
export function readFrame(frame: unknown): Frame {
  let value: unknown;
  try {
    value = JSON.parse(frame as string);
  } catch {
    return "unreadable";
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return "unreadable";
  const { type } = value as { type?: unknown };
  if (type === undefined || type === null) return "gateway";
  if (typeof type !== "string") return "unreadable";
  if (!Object.hasOwn(MESSAGES, type)) return "unknown";
  return MESSAGES[type]?.(value) ? (value as ServerMessage) : "unreadable";
}
