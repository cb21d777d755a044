import type { Span } from "./ansi.ts";

/** What a person typed into the filter, understood. */
export interface Pattern {
  /** Whether a text has it. */
  test: (text: string) => boolean;
  /** Where a text has it, in order, at most 100 places. */
  find: (text: string) => Span[];
}

/** Either a pattern or why there is none. */
export type Parsed = { pattern?: Pattern; error?: string };

const MAX_MARKS = 100;

/** Understands a filter: text (case matters only if it has a capital) or a regular expression. */
export function parseFilter(text: string, regex: boolean): Parsed {
  if (text === "") return {};
  const flags = /\p{Lu}/u.test(text) ? "g" : "gi";
  const source = regex ? text : text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  let expression: RegExp;
  try {
    expression = new RegExp(source, flags);
  } catch (error) {
    const reason = (error as Error).message.replace(/^Invalid regular expression: /, "");
    return { error: reason };
  }
  const once = new RegExp(source, flags.replace("g", ""));
  return {
    pattern: {
      test: (line) => once.test(line),
      find: (line) => {
        const spans: Span[] = [];
        for (const match of line.matchAll(expression)) {
          if (match[0].length > 0) spans.push([match.index, match.index + match[0].length]);
          if (spans.length === MAX_MARKS) break;
        }
        return spans;
      },
    },
  };
}
