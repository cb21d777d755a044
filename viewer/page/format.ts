/** `850 ms`, `12.3 s`, `4 min 05 s`, `2 h 07 min`. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  const two = (n: number) => String(n).padStart(2, "0");
  const seconds = Math.floor(ms / 1_000);
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${two(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
}

/** `$1.23`; small amounts keep their first digits. */
export const money = (usd: number): string =>
  `$${usd !== 0 && Math.abs(usd) < 0.1 ? usd.toFixed(4) : usd.toFixed(2)}`;

/** `950`, `12.3k`, `4.5M`. */
export function count(n: number): string {
  if (n < 1_000) return String(n);
  if (n < 999_950) return `${(n / 1_000).toFixed(n < 9_950 ? 1 : 0)}k`;
  return `${(n / 1_000_000).toFixed(1)}M`;
}

const TIME = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 3,
  hourCycle: "h23",
});
const DAY = new Intl.DateTimeFormat(undefined, {
  year: "numeric",
  month: "short",
  day: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
});

/** The time of day, to the minute; with the day when that is another one. */
export function minute(ms: number): string {
  const today = new Date().toDateString() === new Date(ms).toDateString();
  return today ? TIME.format(ms).slice(0, 5) : DAY.format(ms);
}
/** The time of day, to the millisecond. */
export const time = (ms: number): string => TIME.format(ms);
/** Day and minute. */
export const day = (ms: number): string => DAY.format(ms);

const WHOLE = new Intl.NumberFormat();
/** `12,345`. */
export const whole = (n: number): string => WHOLE.format(n);

/** `1 line`, `2 lines`. */
export const plural = (n: number, noun: string): string =>
  `${whole(n)} ${noun}${n === 1 ? "" : "s"}`;
