import type { Span } from "./ansi.ts";
import { type Entry, plainOf } from "./entry.ts";
import type { Answer, Expression, Question } from "./search.worker.ts";

/** How long a batch may take. */
const TOO_LONG_MS = 2_000;
/** Lines and characters of a batch: what every reasonable expression does in milliseconds. */
const BATCH = { lines: 1_000, size: 500_000 };

/** What becomes of a search. */
export interface SearchEvents {
  /** More entries were searched. */
  found: () => void;
  /** Nothing more will be found, for this reason. */
  failed: (words: string) => void;
}

/** Looks for a regular expression in entries, a batch at a time, in a worker of its own. */
export class Searcher {
  readonly #expression: Expression;
  readonly #events: SearchEvents;
  readonly #known = new WeakMap<Entry, Span[] | null>();
  readonly #wanted = new Set<Entry>();
  readonly #worker: Worker;
  #ready = false;
  #closed = false;
  #asked: Entry[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #whenIdle: (() => void)[] = [];

  constructor(expression: Expression, events: SearchEvents) {
    this.#expression = expression;
    this.#events = events;
    this.#worker = new Worker(new URL("./search.worker.ts", import.meta.url), { type: "module" });
    this.#worker.onmessage = ({ data }) => this.#heard(data as Answer | "ready");
    this.#worker.onerror = () => this.#fail("the search could not be started");
  }

  /** Where an entry has it, or `null`; `undefined`: not known yet, and looked for from now on. */
  find(entry: Entry): Span[] | null | undefined {
    const known = this.#known.get(entry);
    if (known === undefined) this.#want(entry);
    return known;
  }

  /** Resolves when all of these are searched. */
  warm(entries: Iterable<Entry>): Promise<void> {
    for (const entry of entries) this.find(entry);
    if (this.#wanted.size === 0 && this.#asked.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle.push(resolve));
  }

  close(): void {
    this.#closed = true;
    this.#wanted.clear();
    this.#worker.terminate();
    clearTimeout(this.#timer);
  }

  #want(entry: Entry): void {
    if (this.#closed) return;
    if (this.#wanted.size === 0) queueMicrotask(() => this.#ask());
    this.#wanted.add(entry);
  }

  #ask(): void {
    if (this.#closed || !this.#ready || this.#asked.length > 0) return;
    const texts: string[] = [];
    let size = 0;
    for (const entry of this.#wanted) {
      if (texts.length === BATCH.lines || size > BATCH.size) break;
      this.#wanted.delete(entry);
      this.#asked.push(entry);
      const text = plainOf(entry);
      texts.push(text);
      size += text.length;
    }
    if (texts.length === 0) {
      for (const resolve of this.#whenIdle.splice(0)) resolve();
      return;
    }
    this.#worker.postMessage({ ...this.#expression, texts } satisfies Question);
    this.#timer = setTimeout(() => {
      this.#fail("this expression takes too long on a line that is held, and was stopped");
    }, TOO_LONG_MS);
  }

  #heard(answer: Answer | "ready"): void {
    if (answer === "ready") this.#ready = true;
    else {
      clearTimeout(this.#timer);
      this.#asked.forEach((entry, i) => {
        this.#known.set(entry, answer[i] ?? null);
      });
      this.#asked = [];
      this.#events.found();
    }
    this.#ask();
  }

  #fail(words: string): void {
    if (this.#closed) return;
    this.close();
    this.#events.failed(words);
  }
}
