import type { Span } from "./ansi.ts";

/** Most marks in one line. */
const MAX_MARKS = 100;

/** Where a text has a (global) expression, without the matches of no length. */
export function marksOf(text: string, expression: RegExp): Span[] {
  const spans: Span[] = [];
  for (const match of text.matchAll(expression)) {
    if (match[0].length > 0) spans.push([match.index, match.index + match[0].length]);
    if (spans.length === MAX_MARKS) break;
  }
  return spans;
}
