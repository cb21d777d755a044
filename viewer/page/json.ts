/** Levels that are indented. With more, JSON is mostly spaces: their number grows with the square. */
const MAX_INDENTED = 50;

/**
 * A value as JSON. One that is nested too deeply for the browser is cut off there: an agent writes what
 * it likes, and one line must not keep the others from view.
 */
export function json(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch {
    return JSON.stringify(cut(value, MAX_INDENTED));
  }
}

/** A value as JSON with indentation, or on one line when it is nested deeply. */
export const indented = (value: unknown): string =>
  isDeeper(value, MAX_INDENTED) ? json(value) : JSON.stringify(value, null, 2);

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;

const isDeeper = (value: unknown, levels: number): boolean =>
  isObject(value) &&
  (levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1)));

function cut(value: unknown, levels: number): unknown {
  if (!isObject(value)) return value;
  if (levels === 0) return "…";
  if (Array.isArray(value)) return value.map((inner) => cut(inner, levels - 1));
  const entries = Object.entries(value).map(([name, inner]) => [name, cut(inner, levels - 1)]);
  return Object.fromEntries(entries);
}
