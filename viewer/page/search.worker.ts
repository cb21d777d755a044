// Where a regular expression is run: a bad one makes this thread hang, not the page's.
import { placesOf } from "./places.ts";
import type { Answer, Question } from "./searcher.ts";

const page = self as unknown as {
  postMessage: (message: Answer | "ready") => void;
  onmessage: (event: { data: Question }) => void;
};

page.onmessage = ({ data: { source, flags, texts } }) => {
  const once = new RegExp(source, flags);
  const all = new RegExp(source, `${flags}g`);
  // An expression that finds nothing visible (`^`) still counts as found.
  page.postMessage(texts.map((text) => (once.test(text) ? placesOf(text, all) : null)));
};
page.postMessage("ready");
