import type { Level } from "ralph-logs";
import { GROUPS, type Group, LEVELS } from "./entry.ts";
import { parseFilter } from "./filter.ts";
import type { Wanted } from "./rows.ts";

/** What a person chose; the same for all workstreams. Toggles are kept for the next visit. */
export class Options {
  filter = "";
  regex = false;
  /** Why the filter is no regular expression. */
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

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** Sets the filter. One that cannot be understood leaves the last good one in force. */
  setFilter(text: string, regex = this.regex): void {
    this.filter = text;
    this.regex = regex;
    const { pattern, error } = parseFilter(text, regex);
    this.error = error;
    if (error === undefined) this.wanted.pattern = pattern;
    this.#again();
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
