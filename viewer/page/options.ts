import type { Level } from "ralph-logs";
import { type Entry, GROUPS, type Group, LEVELS } from "./entry.ts";
import { type Pattern, RegexPattern, TextPattern } from "./filter.ts";
import type { Wanted } from "./rows.ts";

/** What a person chose; the same for all workstreams. Toggles are kept for the next visit. */
export class Options {
  filter = "";
  regex = false;
  /** Why the filter is not a regular expression. */
  error: string | undefined;
  time = read("time", true);
  wrap = read("wrap", true);
  theme: "light" | "dark" | undefined = stored("theme") as "light" | "dark" | undefined;
  wanted: Wanted = {
    levels: new Set(LEVELS),
    groups: new Set(GROUPS),
    pattern: undefined,
    version: 1,
  };
  readonly #changed: () => void;
  readonly #entries: () => Iterable<Entry>;
  /** The one that is being searched for the first time. */
  #next: RegexPattern | undefined;

  /**
   * @param changed hears about every change
   * @param entries gives the lines that are looked at: a filter takes effect once they are searched
   */
  constructor(changed: () => void, entries: () => Iterable<Entry>) {
    this.#changed = changed;
    this.#entries = entries;
  }

  /** Sets the filter. Until it is understood and searched for, the last good one is in force. */
  setFilter(text: string, regex = this.regex): void {
    this.filter = text;
    this.regex = regex;
    this.error = undefined;
    this.#next?.close();
    this.#next = undefined;
    if (text === "") this.#use(undefined);
    else if (!regex) this.#use(new TextPattern(text));
    else this.#search(text);
  }

  #search(text: string): void {
    let pattern: RegexPattern;
    try {
      pattern = new RegexPattern(text, {
        found: () => this.wanted.pattern === pattern && this.#changed(),
        failed: (words) => {
          this.error = words;
          // The last good filter is not what was asked for; all lines are the better answer.
          if (this.wanted.pattern === pattern) this.#use(undefined);
          else this.#changed();
        },
      });
    } catch (error) {
      this.error = (error as Error).message.replace(/^Invalid regular expression: /, "");
      this.#changed();
      return;
    }
    this.#next = pattern;
    pattern.warm(this.#entries()).then(() => {
      if (this.#next !== pattern) return;
      this.#next = undefined;
      this.#use(pattern);
    });
  }

  #use(pattern: Pattern | undefined): void {
    const { pattern: old } = this.wanted;
    if (old instanceof RegexPattern) old.close();
    this.wanted.pattern = pattern;
    this.#again();
  }

  /** Shows everything again. */
  clear(): void {
    this.wanted.levels = new Set(LEVELS);
    this.wanted.groups = new Set(GROUPS);
    this.setFilter("");
  }

  toggle(kind: "levels", value: Level): void;
  toggle(kind: "groups", value: Group): void;
  toggle(kind: "levels" | "groups", value: Level | Group): void {
    const set = this.wanted[kind] as Set<Level | Group>;
    if (!set.delete(value)) set.add(value);
    this.#again();
  }

  /** Whether something is hidden. */
  get narrowed(): boolean {
    const { levels, groups, pattern } = this.wanted;
    return pattern !== undefined || levels.size < LEVELS.length || groups.size < GROUPS.length;
  }

  switch(name: "time" | "wrap"): void {
    this[name] = !this[name];
    store(name, String(this[name]));
    this.#changed();
  }

  setTheme(theme: "light" | "dark"): void {
    this.theme = theme;
    store("theme", theme);
    this.#changed();
  }

  #again(): void {
    this.wanted.version++;
    this.#changed();
  }
}

// Storage may be switched off; the page works without it.
function stored(name: string): string | undefined {
  try {
    return localStorage.getItem(`ralph.${name}`) ?? undefined;
  } catch {
    return undefined;
  }
}
const read = (name: string, otherwise: boolean): boolean =>
  (stored(name) ?? String(otherwise)) === "true";
function store(name: string, value: string): void {
  try {
    localStorage.setItem(`ralph.${name}`, value);
  } catch {
    // As above.
  }
}
