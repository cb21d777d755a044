import type { Run } from "./protocol.ts";

/** Where knowledge begins: below it, nothing is missed. Unknown before the first page has come. */
export type Floor = undefined | { run: Run; seq: number };

/** Everything is of interest. */
export const START: NonNullable<Floor> = { run: "", seq: 1 };

/** From which number on a run's lines are of interest; `undefined` for history. */
export function floorOf(floor: Floor, run: Run): number | undefined {
  if (floor === undefined || run < floor.run) return undefined;
  return run === floor.run ? floor.seq : 1;
}

/** Whether two floors are one. */
export const same = (a: Floor, b: Floor): boolean => a?.run === b?.run && a?.seq === b?.seq;

/** Whether a floor lies below another. */
export const below = (a: NonNullable<Floor>, b: NonNullable<Floor>): boolean =>
  a.run < b.run || (a.run === b.run && a.seq < b.seq);
