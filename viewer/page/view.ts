import type { Line, LogClient, Status, Subscription } from "ralph-logs";
import { h, setText } from "./dom.ts";
import { type Entry, isShown, plainOf } from "./entry.ts";
import * as format from "./format.ts";
import { json } from "./json.ts";
import { LogList } from "./list.ts";
import type { Options } from "./options.ts";
import { renderRow } from "./render.ts";
import { type Row, rowsOf } from "./rows.ts";
import { CAPACITY, CAPACITY_PAUSED, CAPACITY_UNSEEN, LogStore, type RunSummary } from "./store.ts";

/** How often new lines are announced at most, to those who listen. */
const ANNOUNCE_MS = 5_000;

/** Lines that are loaded of a workstream before anyone looks at it: its state is of interest. */
export const UNSEEN = 200;
/** Lines of a page. */
export const PAGE = 1_000;
/** Lines of a page on the way to one that is looked for. */
const LONG_PAGE = 5_000;

/** A view's events, for the page. */
export interface ViewEvents {
  /** Something that the page shows around the list has changed. */
  changed: (view: WorkstreamView) => void;
  announce: (words: string) => void;
  /** Something that a person should read now. */
  say: (words: string) => void;
  /** A button of the chosen line, other than those that the view does by itself. */
  act: (what: string) => void;
}

/** One workstream: its subscription, the lines held of it, and the list that shows them. */
export class WorkstreamView {
  readonly element: HTMLElement;
  readonly store = new LogStore();
  readonly list: LogList;
  readonly workstream: string;
  status: Status;
  /** Lines that came since the list stopped following. */
  unread = 0;
  /** The line that the keys act on. */
  chosen: string | undefined;
  /** Why the server refuses. */
  refusal: string | undefined;
  /** Why there is no connection yet. */
  trouble: string | undefined;
  readonly #subscription: Subscription;
  readonly #options: Options;
  readonly #events: ViewEvents;
  readonly #unfolded = new Set<string>();
  readonly #json = new Set<string>();
  readonly #badge: HTMLButtonElement;
  readonly #empty = h("p", { className: "empty" });
  #target: string | undefined;
  #frame = 0;
  #announced = Number.NEGATIVE_INFINITY;
  #unannounced = 0;
  #visible = false;
  #seen = false;
  /** Whether the first page is here: what comes after it is new. */
  #loaded = false;
  /** The last line so far; one with a number, if the run has any. */
  #newest: Line | undefined;
  /** What the first page lacks of a whole one. */
  #unloaded: number;

  /** @param limit how many of its newest lines to load at first */
  constructor(
    client: LogClient,
    workstream: string,
    options: Options,
    events: ViewEvents,
    limit: number,
  ) {
    this.workstream = workstream;
    this.#unloaded = PAGE - limit;
    this.#options = options;
    this.#events = events;
    const scroll = h("div", {
      className: "log",
      role: "log",
      tabIndex: 0,
      "aria-label": `log of ${workstream}`,
      // The list is virtual: what scrolls in is not new. New lines are announced beside it.
      "aria-live": "off",
    });
    this.#badge = h("button", {
      type: "button",
      className: "badge",
      hidden: true,
      onclick: () => this.follow(),
    });
    this.element = h(
      "section",
      { className: "workstream", hidden: true, "aria-label": workstream },
      scroll,
      this.#empty,
      this.#badge,
    );
    this.list = new LogList(scroll, {
      render: (row) => renderRow(row, this.#look()),
      version: (row) => this.#version(row),
      follow: (following) => {
        if (following) this.unread = 0;
        this.changed();
      },
      older: () => this.#older(PAGE),
    });
    scroll.addEventListener("click", (event) => this.#clicked(event.target as HTMLElement));

    this.#subscription = client.subscribe(workstream, { limit });
    this.status = this.#subscription.status;
    this.#subscription.on("lines", (lines) => {
      this.store.add(lines);
      const gone = this.store.evict(this.#capacity);
      if (gone !== undefined) this.#subscription.evict(gone);
      const fresh = this.#fresh(lines);
      if (!this.list.following) this.unread += fresh;
      this.#unannounced += fresh;
      this.changed();
    });
    this.#subscription.on("runs", (runs) => {
      this.store.take(runs);
      this.changed();
    });
    this.#subscription.on("task", (task) => {
      this.store.takeTask(task);
      this.changed();
    });
    this.#subscription.on("gaps", (gaps) => {
      this.store.gaps = gaps;
      this.changed();
    });
    this.#subscription.on("status", (status) => {
      this.status = status;
      this.#loaded ||= status.state === "live" || status.state === "gap";
      this.changed();
    });
    this.#subscription.on("refused", ({ message }) => {
      this.refusal = message;
      this.changed();
    });
    this.#subscription.on("caughtUp", () => {
      this.#complete();
      this.changed();
    });
  }

  /** How many of these are new: neither of the first or an older page, nor what a gap lacked. */
  #fresh(lines: Line[]): number {
    let n = 0;
    for (const line of lines) {
      const { run, seq, ts } = this.#newest ?? { run: "", seq: 0, ts: 0 };
      if (line.run < run) continue;
      if (line.run === run && (line.seq > 0 ? line.seq <= seq : line.ts < ts)) continue;
      if (isShown(line)) n++;
      if (line.run > run || line.seq > 0) this.#newest = line;
    }
    return this.#loaded ? n : 0;
  }

  /** Loads what the first page lacks, once someone looks at it. */
  #complete(): void {
    if (!this.#seen || !this.status.hasOlder || this.#unloaded <= 0) return;
    this.#older(this.#unloaded);
    this.#unloaded = 0;
  }

  get #capacity(): number {
    if (!this.#seen) return CAPACITY_UNSEEN;
    return this.list.following ? CAPACITY : CAPACITY_PAUSED;
  }

  /** Loads older lines, unless as many are held as the page can bear. */
  #older(count: number): void {
    if (this.store.length + count <= CAPACITY_PAUSED) this.#subscription.older(count);
    else if (this.status.hasOlder)
      this.#events.say(`${format.whole(this.store.length)} lines are held; no more fit`);
  }

  get visible(): boolean {
    return this.#visible;
  }

  set visible(visible: boolean) {
    this.#visible = visible;
    this.element.hidden = !visible;
    if (!visible) return;
    this.#seen = true;
    this.#complete();
    this.changed();
  }

  /** Draws in the next frame; several changes are one. */
  changed(): void {
    if (!this.#visible) {
      this.#events.changed(this);
      return;
    }
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  /** The run that the header shows: the one being read, the newest while following. */
  get run(): RunSummary | undefined {
    const { order } = this.store;
    if (!this.list.following) {
      for (let i = this.list.firstVisible; i >= 0; i--) {
        const row = this.list.rows[i];
        if (row?.kind === "run") return row.summary;
      }
    }
    const newest = order.at(-1);
    return newest === undefined ? undefined : this.store.summary(newest);
  }

  follow(): void {
    this.list.following = true;
    this.changed();
  }

  /** Shows the line `run/seq`, which is loaded if need be. */
  goTo(key: string): void {
    this.#target = key;
    this.list.following = false;
    this.changed();
  }

  /** Brings the chosen line into view again, after the filter around it has changed. */
  reveal(): void {
    if (this.chosen !== undefined) this.goTo(this.chosen);
  }

  /** Where the choice is: the address of the line, or of the workstream. */
  get address(): string {
    // Raw lines have no number that would lead anyone else to them.
    const numbered = /\/\d+$/.test(this.chosen ?? "");
    return `#/w/${this.workstream}${numbered ? `/${this.chosen}` : ""}`;
  }

  /** The iteration that is being read. */
  get iteration(): string | undefined {
    const { rows } = this.list;
    if (this.list.following) return this.list.starts.at(-1)?.key;
    for (let i = this.list.firstVisible; i >= 0; i--) {
      const row = rows[i];
      if (row?.kind === "run") break;
      if (row?.kind === "line" && row.entry.line.event.type === "iter.start") return row.key;
    }
    return undefined;
  }

  /** Moves the choice by lines, or to the next row that `is` what is looked for. */
  move(
    by: number,
    is: (entry: Entry) => boolean = () => true,
    align: "center" | "start" = "center",
  ): void {
    const { rows } = this.list;
    let i = rows.findIndex((row) => row.key === this.chosen);
    if (i < 0) i = by > 0 ? this.list.firstVisible - 1 : rows.length;
    for (i += by; i >= 0 && i < rows.length; i += by) {
      const row = rows[i] as Row;
      if (row.kind !== "line" || !is(row.entry)) continue;
      this.choose(row.key, i, align);
      return;
    }
  }

  /** Chooses a line and brings it into view. */
  choose(key: string | undefined, index?: number, align: "center" | "start" = "center"): void {
    this.chosen = key;
    if (index !== undefined) {
      this.list.following = false;
      const element = key === undefined ? undefined : this.list.element(key);
      if (element === undefined) this.list.show(index, align);
      else element.scrollIntoView({ block: "nearest" });
    }
    this.changed();
  }

  /** Folds or unfolds the chosen line's text, or shows or hides its JSON. */
  toggle(what: "fold" | "json", key = this.chosen): void {
    if (key === undefined) return;
    const set = what === "fold" ? this.#unfolded : this.#json;
    if (!set.delete(key)) {
      set.add(key);
      // Who opens something reads it: it must not scroll away.
      this.list.following = false;
    }
    this.changed();
  }

  /** The chosen line. */
  get entry(): Entry | undefined {
    const row = this.list.rows.find((other) => other.key === this.chosen);
    return row?.kind === "line" ? row.entry : undefined;
  }

  /** What is shown, as text. */
  texts(): string[] {
    return this.list.rows.flatMap((row) => (row.kind === "line" ? [lineText(row.entry)] : []));
  }

  /** What is held, one JSON event a line, as the worker wrote them. */
  jsonLines(): string {
    const out: string[] = [];
    for (const run of this.store.order) {
      for (const { line } of this.store.runs.get(run) ?? []) out.push(json(line.event));
    }
    return `${out.join("\n")}\n`;
  }

  #look() {
    return {
      marks: (entry: Entry, text: string) => this.#options.wanted.pattern?.marks(entry, text) ?? [],
      unfolded: (key: string) => this.#unfolded.has(key),
      json: (key: string) => this.#json.has(key),
      chosen: this.chosen,
      repo: (run: string) => this.store.summary(run).start?.repo,
    };
  }

  #version(row: Row): string {
    if (row.kind === "run") {
      const { info, end, start, task, wait } = row.summary;
      const known = [end?.seq, start?.seq, wait?.seq, task?.status, task?.reason];
      return `${info?.state} ${info?.reason} ${info?.exit} ${known}`;
    }
    if (row.kind === "gap") return `${row.gap.to}`;
    const { key } = row;
    const flags = `${this.#unfolded.has(key)} ${this.#json.has(key)} ${this.chosen === key}`;
    return `${flags} ${this.#options.wanted.pattern === undefined ? 0 : this.#options.wanted.version}`;
  }

  #clicked(target: HTMLElement): void {
    const key = target.closest<HTMLElement>("[data-key]")?.dataset.key;
    if (key === undefined || target.closest("a, pre") !== null) return;
    const act = target.closest<HTMLElement>("[data-act]")?.dataset.act;
    if (act === "fold" || act === "json") this.toggle(act, key);
    else if (act !== undefined) this.#events.act(act);
    // A click that ends a selection of text chooses nothing.
    if (getSelection()?.isCollapsed !== false) this.choose(key);
  }

  #draw(): void {
    this.list.set(rowsOf(this.store, this.#options.wanted));
    this.#jump();
    this.#badge.hidden = this.list.following;
    const fresh = this.unread === 0 ? "newest" : `${format.whole(this.unread)} new`;
    setText(this.#badge, `↓ ${fresh}`);
    const empty = this.list.rows.some((row) => row.kind === "line") ? "" : this.#whyEmpty();
    this.#empty.hidden = empty === "";
    setText(this.#empty, empty);
    this.#announce();
    this.#events.changed(this);
  }

  #jump(): void {
    const key = this.#target;
    if (key === undefined || this.status.state === "connecting") return;
    const index = this.list.rows.findIndex((row) => row.key === key);
    if (index >= 0) {
      this.#target = undefined;
      this.chosen = key;
      this.list.show(index, "center");
      this.changed();
      return;
    }
    const { loadingOlder, pending, state } = this.status;
    if (loadingOlder || pending > 0 || state === "replaying") return;
    const { oldest } = this.store;
    const [run = "", seq = ""] = key.split("/");
    const isOlder =
      oldest === undefined || run < oldest.run || (run === oldest.run && Number(seq) < oldest.seq);
    if (isOlder && this.status.hasOlder && this.store.length + LONG_PAGE <= CAPACITY_PAUSED) {
      this.#older(LONG_PAGE);
      return;
    }
    this.#target = undefined;
    for (const entry of this.store.entries()) {
      if (entry.key !== key) continue;
      this.#events.say("the filter hides that line");
      return;
    }
    this.#events.say("that line is not kept any more, or too far back for this page");
  }

  #whyEmpty(): string {
    const { state } = this.status;
    if (state === "denied") {
      return (
        this.refusal ?? "The connection is refused: the token may not be valid for this workstream."
      );
    }
    if (this.store.shown > 0) return "No line passes the filter.";
    const newest = this.store.order.at(-1);
    if (newest !== undefined && this.store.summary(newest).info?.state === "failed") return "";
    if (state === "live") return "No line yet. The first one will show here.";
    if (state === "stale") return "Reconnecting…";
    const waits = state === "connecting" || state === "unreachable";
    return waits ? (this.trouble ?? "Connecting…") : "Loading…";
  }

  #announce(): void {
    const now = performance.now();
    if (this.#unannounced === 0 || now < this.#announced + ANNOUNCE_MS) return;
    this.#announced = now;
    this.#events.announce(`${format.plural(this.#unannounced, "new line")} in ${this.workstream}`);
    this.#unannounced = 0;
  }
}

/** A line as text, for the clipboard. */
export const lineText = (entry: Entry): string =>
  `${new Date(entry.line.ts).toISOString()} ${entry.level} ${entry.line.event.type} ${plainOf(entry)}`;
