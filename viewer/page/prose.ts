import { h } from "./dom.ts";

const SPAN = /\*\*([^*\n]+)\*\*|`([^`\n]+)`/g;

/**
 * What an agent says, with its `**bold**` and its `code` as such: elements that are made here, with
 * text inside. Everything else of Markdown reads well as it is.
 */
export function prose(text: string): DocumentFragment {
  const out = document.createDocumentFragment();
  let at = 0;
  for (const match of text.matchAll(SPAN)) {
    const [whole, bold, code] = match;
    out.append(text.slice(at, match.index));
    out.append(bold !== undefined ? h("b", {}, bold) : h("code", {}, code));
    at = match.index + whole.length;
  }
  out.append(text.slice(at));
  return out;
}
