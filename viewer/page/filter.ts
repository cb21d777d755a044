import type { Span } from "./ansi.ts";
import { type Entry, plainOf } from "./entry.ts";
import { marksOf } from "./marks.ts";
import { Searcher, type SearchEvents } from "./searcher.ts";

/** What a person typed into the filter, understood. */
export interface Pattern {
  /** Whether an entry's plain text has it; `undefined`: not known yet. */
  matches: (entry: Entry) => boolean | undefined;
  /** Where a text of the entry has it: the plain text, or a part or another form of it. */
  marks: (entry: Entry, text: string) => Span[];
}

/** A filter that is plain text: it is found where it stands, at once. */
export class TextPattern implements Pattern {
  readonly #once: RegExp;
  readonly #all: RegExp;

  constructor(text: string) {
    this.#once = new RegExp(escaped(text), flagsOf(text));
    this.#all = new RegExp(this.#once, `${this.#once.flags}g`);
  }

  matches(entry: Entry): boolean {
    return this.#once.test(plainOf(entry));
  }

  marks(_: Entry, text: string): Span[] {
    return marksOf(text, this.#all);
  }
}

/**
 * A filter that is a regular expression. Some take longer than a page may freeze, on a line that
 * nobody has seen yet: they run in a worker, which is ended when it takes too long.
 */
export class RegexPattern implements Pattern {
  readonly #searcher: Searcher;

  /** @throws SyntaxError when the text is not a regular expression. */
  constructor(text: string, events: SearchEvents) {
    const { source, flags } = new RegExp(text, flagsOf(text));
    this.#searcher = new Searcher({ source, flags }, events);
  }

  matches(entry: Entry): boolean | undefined {
    const found = this.#searcher.find(entry);
    return found === undefined ? undefined : found !== null;
  }

  marks(entry: Entry, text: string): Span[] {
    const found = this.#searcher.find(entry) ?? [];
    const whole = plainOf(entry);
    if (text === whole || found.length === 0) return found;
    // Another form of the text: what was found is marked wherever it stands as it is.
    const words = [...new Set(found.map(([from, to]) => whole.slice(from, to)))];
    words.sort((a, b) => b.length - a.length);
    return marksOf(text, new RegExp(words.map(escaped).join("|"), "g"));
  }

  /** Resolves when all of these are searched. */
  warm(entries: Iterable<Entry>): Promise<void> {
    return this.#searcher.warm(entries);
  }

  /** Ends its worker. */
  close(): void {
    this.#searcher.close();
  }
}

/** Case matters only if the filter has a capital. */
const flagsOf = (text: string): string => (/\p{Lu}/u.test(text) ? "" : "i");
const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
