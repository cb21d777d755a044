import type { LogEvent, RawLine, Run, UnknownEvent, WorkerEvent } from "./protocol.ts";

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

/** Reads an element of `logs`; `undefined` when it is neither an event nor a raw line. */
export function readLine(value: unknown, workstream: string): Line | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const event = value as Partial<UnknownEvent> | Partial<RawLine>;
  if (typeof event.run !== "string" || !RUN.test(event.run)) return undefined;
  if (event.type === "raw") {
    const raw = event as Partial<RawLine>;
    const ok = typeof raw.ts === "number" && typeof raw.text === "string";
    return ok ? { run: event.run, seq: 0, ts: raw.ts as number, event: raw as RawLine } : undefined;
  }
  const ours = event as Partial<UnknownEvent>;
  if (ours.v !== 1 || ours.workstream !== workstream || typeof ours.type !== "string")
    return undefined;
  if (!Number.isSafeInteger(ours.seq) || (ours.seq as number) < 1) return undefined;
  const ts = Date.parse(ours.ts as string);
  return {
    run: event.run,
    seq: ours.seq as number,
    ts: Number.isNaN(ts) ? 0 : ts,
    event: ours as WorkerEvent,
  };
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
