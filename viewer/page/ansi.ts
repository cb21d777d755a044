import Anser from "anser";

// Everything a terminal obeys that is not a colour: window titles, links, cursor movement, other
// control characters. SGR (`…m`) stays for `paint`.
const OTHER =
  /\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b\[[0-9;?<>=]*[@-ln-~]|\x1b[()][A-Z0-9]|\x1b(?![[\]])|[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]/g;
const SGR = /\x1b\[[0-9;:]*m/g;
const COLON_SGR = /\x1b\[([0-9;]*:[0-9;:]*)m/g;

const hasControl = (text: string): boolean => {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if ((code < 32 && code !== 10 && code !== 9) || code === 127) return true;
  }
  return false;
};

/** The text as a person reads it: without escape codes. Filters look at this. */
export function plain(text: string): string {
  if (!hasControl(text)) return text;
  return clean(text).replace(SGR, "");
}

const clean = (text: string): string =>
  text
    .replaceAll("\r\n", "\n")
    .replaceAll("\r", "\n")
    .replace(OTHER, "")
    .replace(COLON_SGR, (_, codes: string) => {
      const plainly = codes.split(";").map(semicolons).filter(Boolean).join(";");
      return plainly && `\x1b[${plainly}m`;
    });

/** The standard's `38:2::1:2:3` as terminals first had it, `38;2;1;2;3`; of `4:3`, the underline. */
function semicolons(code: string): string {
  const [kind, mode, ...rest] = code.split(":") as [string, ...string[]];
  if (mode === undefined) return kind;
  // The colour of an underline is not drawn.
  if (kind === "58") return "";
  if (kind !== "38" && kind !== "48") return code === "4:0" ? "24" : kind;
  // A colour space may stand before the colour.
  const rgb = rest.length > 3 ? rest.slice(1, 4) : rest;
  return [kind, mode, ...(mode === "2" ? rgb : rest.slice(0, 1))].join(";");
}

/** A half-open range of characters of the plain text. */
export type Span = [from: number, to: number];

/** The text as nodes: colours as styled spans, `marks` as highlighted ones, the rest as text. */
export function paint(text: string, marks: Span[] = []): DocumentFragment {
  const out = document.createDocumentFragment();
  if (!hasControl(text)) {
    append(out, text, 0, marks);
    return out;
  }
  let at = 0;
  for (const part of Anser.ansiToJson(clean(text), { use_classes: true, remove_empty: true })) {
    const { content, fg, bg, decorations } = part;
    if (fg || bg || decorations.length > 0) {
      const span = document.createElement("span");
      for (const name of decorations) span.classList.add(`ansi-${name}`);
      color(span, "color", fg, part.fg_truecolor);
      color(span, "backgroundColor", bg, part.bg_truecolor);
      append(span, content, at, marks);
      out.append(span);
    } else append(out, content, at, marks);
    at += content.length;
  }
  return out;
}

function color(
  span: HTMLElement,
  property: "color" | "backgroundColor",
  name: string | null,
  rgb: string,
) {
  if (!name) return;
  const palette = name.match(/^ansi-palette-(\d+)$/);
  if (name === "ansi-truecolor") span.style[property] = `rgb(${rgb})`;
  else if (palette) span.style[property] = paletteColor(Number(palette[1]));
  else span.style[property] = `var(--${name})`;
}

const BASIC = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];

/** One of a terminal's 256 colours: 16 of the theme, a cube of 216, 24 greys. */
export function paletteColor(n: number): string {
  if (n < 16) return `var(--ansi-${n < 8 ? "" : "bright-"}${BASIC[n % 8]})`;
  if (n >= 232) {
    const grey = 8 + (n - 232) * 10;
    return `rgb(${grey}, ${grey}, ${grey})`;
  }
  const level = (i: number) => (i === 0 ? 0 : 55 + i * 40);
  const i = n - 16;
  return `rgb(${level(Math.floor(i / 36))}, ${level(Math.floor(i / 6) % 6)}, ${level(i % 6)})`;
}

/** Appends text that begins at `at` of the whole, with the marks that lie in it. */
function append(to: Node, text: string, at: number, marks: Span[]): void {
  let done = 0;
  for (const [from, end] of marks) {
    const first = Math.max(from - at, done);
    const last = Math.min(end - at, text.length);
    if (first >= last) continue;
    if (first > done) to.appendChild(document.createTextNode(text.slice(done, first)));
    const mark = document.createElement("mark");
    mark.textContent = text.slice(first, last);
    to.appendChild(mark);
    done = last;
  }
  if (done < text.length) to.appendChild(document.createTextNode(text.slice(done)));
}
