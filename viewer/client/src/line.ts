import type { LogEvent, RawLine, Run, WorkerEvent } from "./protocol.ts";

/** One line to show. `(run, seq)` is its identity and its place. */
export interface Line {
  /** Whose. */
  run: Run;
  /** Its number in the run, from 1; 0 for a raw line, whose place is its time. */
  seq: number;
  /** Its time, ms since the epoch. */
  ts: number;
  /** The event as it came. */
  event: LogEvent;
}

export const RUN = /^[0-7][0-9A-HJKMNP-TV-Z]{25}-(?!0000)\d{4}$/;

const RFC_3339 = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/i;

const isText = (value: unknown): value is string => typeof value === "string";
/** Whether a value is an integer from `min` to `max`. */
const isInteger = (value: unknown, min = 0, max = Number.MAX_SAFE_INTEGER): value is number =>
  Number.isInteger(value) && (value as number) >= min && (value as number) <= max;
/** Whether a field that may be left out is absent, null or as `is` wants it. */
const mayBe = (value: unknown, is: (value: unknown) => boolean): boolean =>
  value === undefined || value === null || is(value);

/**
 * Reads an element of `logs`; `undefined` when it is neither an event nor a raw line. What the rules
 * rely on is checked, as strictly as the Rust client does it.
 */
export function readLine(value: unknown, workstream: string): Line | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const fields = value as Record<string, unknown>;
  const { run, seq, ts } = fields;
  if (!isText(run) || !RUN.test(run)) return undefined;
  if (isEvent(fields)) {
    if (fields.workstream !== workstream) return undefined;
    return { run, seq: seq as number, ts: timeOf(ts as string), event: value as WorkerEvent };
  }
  return isRaw(fields) ? { run, seq: 0, ts: ts as number, event: value as RawLine } : undefined;
}

function isEvent({ v, ts, workstream, seq, type, exit, reason, until }: Record<string, unknown>) {
  if (v !== 1 || !isInteger(seq, 1)) return false;
  if (![ts, workstream, type].every(isText)) return false;
  return (
    mayBe(exit, (n) => isInteger(n, 0, 255)) && mayBe(reason, isText) && mayBe(until, isInteger)
  );
}

function isRaw({ type, stream, ts, text, part }: Record<string, unknown>) {
  if (type !== "raw" || !isText(stream) || !isText(text) || !isInteger(ts)) return false;
  const isPart = (n: unknown) => isInteger(n, 0, 2 ** 32 - 1);
  return mayBe(part, (pair) => Array.isArray(pair) && pair.length === 2 && pair.every(isPart));
}

/** Ms since the epoch; 0 for what is not RFC 3339. */
function timeOf(text: string): number {
  const ms = RFC_3339.test(text) ? Date.parse(text) : 0;
  return ms > 0 ? ms : 0;
}

/** What makes two raw lines the same. */
export function rawKey(raw: RawLine): string {
  return `${raw.stream}\n${raw.ts}\n${raw.part?.join("/") ?? ""}\n${raw.text}`;
}

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** When a run's execution began, ms since the epoch: the time inside its ULID. */
export function runStarted(run: Run): number {
  let ms = 0;
  for (const char of run.slice(0, 10)) ms = ms * 32 + ALPHABET.indexOf(char);
  return ms;
}

/** Which start of its execution a run is, from 1. */
export function runAttempt(run: Run): number {
  return Number(run.slice(27));
}

/**
 * Where a line belongs in a list that is in order: before the first line of a later run or a higher
 * number; a raw line after all that are not younger.
 *
 * @param list what is shown, oldest first
 * @param lineOf gets an element's line, when elements are not lines
 */
export function placeOf<T = Line>(
  list: readonly T[],
  line: Line,
  lineOf: (element: T) => Line = (element) => element as unknown as Line,
): number {
  let place = list.length;
  for (let i = list.length - 1; i >= 0; i--) {
    const other = lineOf(list[i] as T);
    if (other.run < line.run) break;
    const later = other.run > line.run;
    if (other.seq > 0 && line.seq > 0) {
      if (!later && other.seq <= line.seq) break;
      place = i;
    } else if (later || (other.ts > line.ts && place === i + 1)) place = i;
    // Numbers decide, whatever the clock did: a raw line does not hide those before it.
    else if (line.seq === 0) break;
  }
  return place;
}
