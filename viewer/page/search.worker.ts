// Where a regular expression is run: a bad one makes this thread hang, not the page's.
import type { Span } from "./ansi.ts";
import { marksOf } from "./marks.ts";

/** A regular expression, as it is sent. */
export type Expression = { source: string; flags: string };
/** What the worker is asked. */
export type Question = Expression & { texts: string[] };
/** What it answers, by text: where it was found, or `null`. */
export type Answer = (Span[] | null)[];

const page = self as unknown as {
  postMessage: (message: Answer | "ready") => void;
  onmessage: (event: { data: Question }) => void;
};

page.onmessage = ({ data: { source, flags, texts } }) => {
  const once = new RegExp(source, flags);
  const all = new RegExp(source, `${flags}g`);
  // An expression that finds nothing visible (`^`) still counts as found.
  page.postMessage(texts.map((text) => (once.test(text) ? marksOf(text, all) : null)));
};
page.postMessage("ready");
