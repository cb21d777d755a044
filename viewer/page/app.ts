import type { Level, LogClient } from "ralph-logs";
import { isWorkstream, NoSecretError, type PageConfig } from "./config.ts";
import { h, one, setText } from "./dom.ts";
import { GROUPS, type Group, LEVELS } from "./entry.ts";
import * as format from "./format.ts";
import { Options } from "./options.ts";
import { stateOf } from "./render.ts";
import { RunHeader } from "./runheader.ts";
import { lineText, PAGE, UNSEEN, WorkstreamView } from "./view.ts";

/** Workstreams that are followed without being looked at. */
const MAX_FOLLOWED = 20;
/** How long words for a moment stay. */
const TOAST_MS = 4_000;

/** The page: what is around the lists, and which of them is shown. */
export class App {
  readonly #client: LogClient;
  readonly #views = new Map<string, WorkstreamView>();
  readonly #workstreams: string[];
  readonly #options = new Options(
    () => this.#optionsChanged(),
    () => this.#view?.store.entries() ?? [],
  );
  readonly #header = new RunHeader(one("#run"));
  readonly #chips = new Map<string, HTMLButtonElement>();
  /** Set when the host gives tokens for no other workstreams: how a person gets one offered. */
  readonly #others: string | undefined;
  #view: WorkstreamView | undefined;
  /** Why the page has ended. */
  #ended: string | undefined;
  #toast: ReturnType<typeof setTimeout> | undefined;

  constructor(client: LogClient, { workstreams, otherWorkstreams }: PageConfig) {
    this.#client = client;
    this.#workstreams = [...workstreams];
    this.#others = otherWorkstreams;
    this.#toolbar();
    this.#optionsChanged();
    client.on("failed", (failure) => this.#failed(failure));
    client.on("state", () => this.#around());
    addEventListener("hashchange", () => this.#route());
    addEventListener("resize", () => this.#view?.list.remeasure());
    this.#route();
    // The others follow the one that is looked at: their tabs tell how they are doing.
    for (const workstream of this.#workstreams.slice(0, MAX_FOLLOWED))
      this.#viewOf(workstream, UNSEEN);
  }

  /** `#/w/<workstream>` or `#/w/<workstream>/<run>/<seq>`. */
  #route(): void {
    if (this.#ended !== undefined) {
      this.#nothing(this.#ended);
      return;
    }
    const [, workstream = this.#workstreams[0], line] =
      location.hash.match(/^#\/w\/([^/]+)(?:\/([^/]+\/\d+))?$/) ?? [];
    if (workstream === undefined) {
      this.#nothing("No workstream: add #/w/ and its name to the address.");
      return;
    }
    if (!isWorkstream(workstream)) {
      this.#nothing(`“${String(workstream).slice(0, 64)}” is not the name of a workstream.`);
      return;
    }
    if (!this.#workstreams.includes(workstream)) {
      if (this.#others !== undefined) {
        this.#nothing(`“${workstream}” is not a workstream of this page: ${this.#others}`);
        return;
      }
      this.#workstreams.push(workstream);
    }
    const view = this.#viewOf(workstream, PAGE);
    if (this.#view !== undefined && this.#view !== view) this.#view.visible = false;
    one("#main").querySelector(":scope > .empty")?.remove();
    this.#view = view;
    view.visible = true;
    if (line !== undefined) view.goTo(line);
    document.title = `${workstream} · ralph`;
    this.#around();
    one("#workstreams").querySelector("[aria-current]")?.scrollIntoView({ inline: "nearest" });
  }

  /** A workstream's view; it is followed from now on. */
  #viewOf(workstream: string, limit: number): WorkstreamView {
    let view = this.#views.get(workstream);
    if (view === undefined) {
      const events = {
        changed: (changed: WorkstreamView) => this.#changed(changed),
        announce: (words: string) => setText(one("#announce"), words),
        say: (words: string) => this.say(words),
        act: (what: string) => (what === "link" ? this.copyLink() : this.copyLine()),
      };
      view = new WorkstreamView(this.#client, workstream, this.#options, events, limit);
      this.#views.set(workstream, view);
      one("#main").append(view.element);
    }
    return view;
  }

  /** The view that is shown. */
  get view(): WorkstreamView | undefined {
    return this.#view;
  }

  get options(): Options {
    return this.#options;
  }

  /** Words for a moment, for the eye and for screen readers. */
  say(words: string): void {
    const toast = one("#toast");
    setText(toast, words);
    toast.hidden = false;
    clearTimeout(this.#toast);
    this.#toast = setTimeout(() => {
      toast.hidden = true;
      setText(toast, "");
    }, TOAST_MS);
  }

  #failed({ error, retryInMs }: { error: unknown; retryInMs: number }): void {
    // Trying again cannot help. A connection that stands may go on, though.
    if (error instanceof NoSecretError && this.#client.state !== "open") {
      this.#ended = error.message;
      this.#client.close();
      this.#route();
      return;
    }
    const why = error instanceof Error ? error.message : String(error);
    const words = `No connection: ${why}. Trying again in ${format.duration(retryInMs)}.`;
    one("#status").title = words;
    for (const view of this.#views.values()) {
      view.trouble = words;
      view.changed();
    }
  }

  #nothing(words: string): void {
    if (this.#view !== undefined) this.#view.visible = false;
    this.#view = undefined;
    one("#main").querySelector(":scope > .empty")?.remove();
    one("#main").append(h("p", { className: "empty", role: "alert" }, words));
    this.#around();
  }

  #changed(view: WorkstreamView): void {
    if (view === this.#view) this.#around();
    else this.#tabs();
  }

  /** Everything around the list. */
  #around(): void {
    this.#tabs();
    const view = this.#view;
    const status = one("#status");
    status.hidden = view === undefined;
    one("#retry").hidden = !["stale", "denied", "unreachable"].includes(this.#client.state);
    if (view === undefined) {
      one("#run").hidden = true;
      return;
    }
    this.#header.show(view.store, view.run);
    if (this.#client.state === "open") status.title = "";
    const { state, pending, lost } = view.status;
    const paused = state === "live" && !view.list.following;
    status.className = `status status-${paused ? "paused" : state}`;
    const words = [
      paused ? "paused" : STATES[state],
      pending > 0 && `${format.whole(pending)} pending`,
      lost > 0 && `${format.whole(lost)} lost`,
    ];
    setText(status, words.filter(Boolean).join(" · "));
    this.#counts(view);
    this.#iterations(view);
    const note = one("#filter-note");
    const shown = view.list.rows.reduce((n, row) => n + (row.kind === "line" ? 1 : 0), 0);
    const found = this.#options.narrowed
      ? `${format.plural(shown, "line")} of ${format.whole(view.store.shown)}`
      : "";
    note.classList.toggle("bad", this.#options.error !== undefined);
    setText(note, this.#options.error ?? found);
  }

  #tabs(): void {
    const nav = one("#workstreams");
    this.#workstreams.forEach((workstream, i) => {
      const known = nav.children[i] as HTMLAnchorElement | undefined;
      const tab =
        known ??
        h(
          "a",
          { href: `#/w/${workstream}` },
          h("i", {}),
          h("span", {}, workstream),
          h("span", { className: "unseen" }),
        );
      if (known === undefined) nav.append(tab);
      const view = this.#views.get(workstream);
      const [dot, , unseen] = tab.children as unknown as HTMLElement[];
      const state = view === undefined ? "idle" : stateIn(view);
      if (dot !== undefined) dot.className = `dot dot-${state}`;
      if (unseen !== undefined) setText(unseen, `, ${state}`);
      tab.title = state;
      if (view !== undefined && view === this.#view) tab.setAttribute("aria-current", "page");
      else tab.removeAttribute("aria-current");
    });
  }

  #toolbar(): void {
    const filter = one<HTMLInputElement>("#filter");
    filter.addEventListener("input", () => {
      this.#options.setFilter(filter.value);
      if (filter.value === "") this.#view?.reveal();
    });
    const { levels, groups } = { levels: one("#levels"), groups: one("#groups") };
    for (const level of LEVELS)
      levels.append(this.#chip(level, () => this.#options.toggle("levels", level)));
    for (const group of GROUPS)
      groups.append(this.#chip(group, () => this.#options.toggle("groups", group)));
    const press = (id: string, act: () => void) => one(`#${id}`).addEventListener("click", act);
    press("regex", () => this.#options.setFilter(this.#options.filter, !this.#options.regex));
    press("time", () => this.#options.switch("time"));
    press("wrap", () => this.#options.switch("wrap"));
    press("theme", () => this.switchTheme());
    press("help", () => this.help());
    press("copy", () => this.#copyAll());
    press("download", () => this.download());
    press("retry", () => this.#client.retry());
    one("#iteration").addEventListener("change", (event) => {
      const { value } = event.target as HTMLSelectElement;
      const i = this.#view?.list.rows.findIndex((row) => row.key === value) ?? -1;
      if (i >= 0) this.#view?.choose(value, i, "start");
    });
  }

  #chip(name: Level | Group, act: () => void): HTMLButtonElement {
    const chip = h(
      "button",
      { type: "button", className: `chip chip-${name}`, "aria-pressed": "true", onclick: act },
      name,
      h("span", { className: "n" }),
    );
    this.#chips.set(name, chip);
    return chip;
  }

  #counts({ store }: WorkstreamView): void {
    const { levels, groups } = this.#options.wanted;
    for (const [name, chip] of this.#chips) {
      const n = store.counts.get(name as Level | Group) ?? 0;
      setText(chip.lastElementChild as Element, format.count(n));
      // What does not occur needs no chip, unless it was switched off.
      chip.hidden = n === 0 && (levels.has(name as Level) || groups.has(name as Group));
    }
  }

  /** The iterations whose beginning is shown, newest first; the one that is read is chosen. */
  #iterations(view: WorkstreamView): void {
    const select = one<HTMLSelectElement>("#iteration");
    const { starts } = view.list;
    const key = `${view.workstream} ${starts.length} ${starts[0]?.key}`;
    if (select.dataset.of !== key) {
      select.dataset.of = key;
      const groups: HTMLOptGroupElement[] = [];
      for (const { key: value, attempt, words } of [...starts].reverse()) {
        const label = `attempt ${attempt}`;
        if (groups.at(-1)?.label !== label) groups.push(h("optgroup", { label }));
        groups.at(-1)?.append(h("option", { value }, words));
      }
      select.replaceChildren(h("option", { value: "" }, "iteration…"), ...groups);
    }
    const value = view.iteration ?? "";
    if (select.value !== value && document.activeElement !== select) select.value = value;
  }

  #optionsChanged(): void {
    const { time, wrap, regex, theme, wanted } = this.#options;
    const { classList, dataset } = document.documentElement;
    const layout = classList.contains("no-wrap") === wrap || classList.contains("no-time") === time;
    classList.toggle("no-time", !time);
    classList.toggle("no-wrap", !wrap);
    if (theme !== undefined) dataset.theme = theme;
    const pressed = (element: Element, on: boolean) =>
      element.setAttribute("aria-pressed", String(on));
    pressed(one("#time"), time);
    pressed(one("#wrap"), wrap);
    pressed(one("#regex"), regex);
    one("#filter").setAttribute("aria-invalid", String(this.#options.error !== undefined));
    for (const [name, chip] of this.#chips) {
      pressed(chip, wanted.levels.has(name as Level) || wanted.groups.has(name as Group));
    }
    if (layout) this.#view?.list.remeasure();
    this.#view?.changed();
  }

  switchTheme(): void {
    const dark =
      this.#options.theme ??
      (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    this.#options.setTheme(dark === "dark" ? "light" : "dark");
  }

  help(): void {
    one<HTMLDialogElement>("#sheet").showModal();
  }

  /** Copies the chosen line. */
  copyLine(): void {
    const entry = this.#view?.entry;
    if (entry !== undefined) this.#copy(lineText(entry), "line copied");
  }

  /** Copies the address of the chosen line. */
  copyLink(): void {
    if (this.#view?.chosen === undefined) return;
    this.#copy(location.href.replace(/#.*|$/, this.#view.address), "link copied");
  }

  #copyAll(): void {
    const lines = this.#view?.texts() ?? [];
    this.#copy(lines.join("\n"), `${format.plural(lines.length, "line")} copied`);
  }

  async #copy(text: string, done: string): Promise<void> {
    try {
      await navigator.clipboard.writeText(text);
      this.say(done);
    } catch {
      this.say("the browser does not allow copying");
    }
  }

  download(): void {
    const view = this.#view;
    if (view === undefined) return;
    const blob = new Blob([view.jsonLines()], { type: "application/x-ndjson" });
    const href = URL.createObjectURL(blob);
    h("a", { href, download: `${view.workstream}.ndjson` }).click();
    setTimeout(() => URL.revokeObjectURL(href), 10_000);
  }

  /** Shows the workstream so many tabs away. */
  other(by: number): void {
    const n = this.#workstreams.length;
    const i = this.#workstreams.indexOf(this.#view?.workstream ?? "");
    if (n > 1) location.hash = `#/w/${this.#workstreams[(i + by + n) % n]}`;
  }

  /** First the filter goes, and what was found stays in view among its neighbours; then the choice. */
  clear(): void {
    one<HTMLInputElement>("#filter").value = "";
    if (this.#options.narrowed || this.#options.filter !== "") {
      this.#options.clear();
      this.#view?.reveal();
    } else this.#view?.choose(undefined);
  }
}

const STATES = {
  connecting: "connecting",
  replaying: "loading",
  live: "live",
  gap: "live",
  stale: "reconnecting",
  denied: "denied",
  unreachable: "unreachable",
  closed: "closed",
};

/** How a workstream is doing: its newest run, or the connection when there is none. */
function stateIn({ store, status }: WorkstreamView): string {
  const newest = store.order.at(-1);
  if (status.state === "denied") return "denied";
  if (newest === undefined) return status.state === "live" ? "idle" : status.state;
  return stateOf(store.summary(newest)).state;
}
