import type { Level, LogClient } from "ralph-logs";
import { isWorkstream } from "./config.ts";
import { h, one, setText } from "./dom.ts";
import { GROUPS, type Group, LEVELS } from "./entry.ts";
import * as format from "./format.ts";
import { listen } from "./keys.ts";
import { Options } from "./options.ts";
import { RunHeader } from "./runheader.ts";
import { lineText, WorkstreamView } from "./view.ts";

/** The page: what is around the lists, and which of them is shown. */
export class App {
  readonly #client: LogClient;
  readonly #views = new Map<string, WorkstreamView>();
  readonly #workstreams: string[];
  readonly #options = new Options(() => this.#optionsChanged());
  readonly #header = new RunHeader(one("#run"));
  readonly #chips = new Map<string, HTMLButtonElement>();
  #view: WorkstreamView | undefined;

  constructor(client: LogClient, workstreams: string[]) {
    this.#client = client;
    this.#workstreams = [...workstreams];
    this.#toolbar();
    this.#shortcuts();
    this.#optionsChanged();
    addEventListener("hashchange", () => this.#route());
    addEventListener("resize", () => this.#view?.list.remeasure());
    this.#route();
  }

  /** `#/w/<workstream>` or `#/w/<workstream>/<run>/<seq>`. */
  #route(): void {
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
    if (!this.#workstreams.includes(workstream)) this.#workstreams.push(workstream);
    let view = this.#views.get(workstream);
    if (view === undefined) {
      view = new WorkstreamView(this.#client, workstream, this.#options, {
        changed: (changed) => this.#changed(changed),
        announce: (words) => setText(one("#announce"), words),
      });
      this.#views.set(workstream, view);
      one("#main").append(view.element);
    }
    if (this.#view !== undefined && this.#view !== view) this.#view.visible = false;
    one("#main").querySelector(":scope > .empty")?.remove();
    this.#view = view;
    view.visible = true;
    if (line !== undefined) view.goTo(line);
    document.title = `${workstream} · ralph`;
    this.#around();
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
    this.#header.show(view?.run);
    if (view === undefined) return;
    const { state, pending, lost } = view.status;
    status.className = `status status-${state}`;
    const words = [
      state === "live" && !view.list.following ? "paused" : STATES[state],
      pending > 0 && `${format.whole(pending)} pending`,
      lost > 0 && `${format.whole(lost)} lost`,
    ];
    setText(status, words.filter(Boolean).join(" · "));
    this.#counts(view);
    this.#iterations(view);
    const note = one("#filter-note");
    const shown = view.list.rows.reduce((n, row) => n + (row.kind === "line" ? 1 : 0), 0);
    const found = this.#options.narrowed
      ? `${format.plural(shown, "line")} of ${format.whole(view.store.length)}`
      : "";
    note.classList.toggle("bad", this.#options.error !== undefined);
    setText(note, this.#options.error ?? found);
  }

  #tabs(): void {
    const nav = one("#workstreams");
    this.#workstreams.forEach((workstream, i) => {
      const known = nav.children[i] as HTMLAnchorElement | undefined;
      const tab =
        known ?? h("a", { href: `#/w/${workstream}` }, h("i", {}), h("span", {}, workstream));
      if (known === undefined) nav.append(tab);
      const view = this.#views.get(workstream);
      const dot = tab.firstElementChild as HTMLElement;
      dot.className = `dot dot-${view === undefined ? "idle" : (newestState(view) ?? view.status.state)}`;
      if (view !== undefined && view === this.#view) tab.setAttribute("aria-current", "page");
      else tab.removeAttribute("aria-current");
    });
  }

  #toolbar(): void {
    const filter = one<HTMLInputElement>("#filter");
    filter.addEventListener("input", () => this.#options.setFilter(filter.value));
    const { levels, groups } = { levels: one("#levels"), groups: one("#groups") };
    for (const level of LEVELS)
      levels.append(this.#chip(level, () => this.#options.toggle("levels", level)));
    for (const group of GROUPS)
      groups.append(this.#chip(group, () => this.#options.toggle("groups", group)));
    const press = (id: string, act: () => void) => one(`#${id}`).addEventListener("click", act);
    press("regex", () => this.#options.setFilter(this.#options.filter, !this.#options.regex));
    press("time", () => this.#options.switch("time"));
    press("wrap", () => this.#options.switch("wrap"));
    press("theme", () => this.#switchTheme());
    press("help", () => one<HTMLDialogElement>("#sheet").showModal());
    press("copy", () => this.#copy(this.#view?.text() ?? "", one("#copy")));
    press("download", () => this.#download());
    one("#iteration").addEventListener("change", (event) => {
      const { value } = event.target as HTMLSelectElement;
      const i = this.#view?.list.rows.findIndex((row) => row.key === value) ?? -1;
      if (i >= 0) this.#view?.choose(value, i);
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
    for (const [name, chip] of this.#chips) {
      setText(
        chip.lastElementChild as Element,
        format.count(store.counts.get(name as Level | Group) ?? 0),
      );
    }
  }

  /** The iterations whose beginning is shown, newest first. */
  #iterations(view: WorkstreamView): void {
    const select = one<HTMLSelectElement>("#iteration");
    const { starts } = view.list;
    const key = `${view.workstream} ${starts.length} ${starts[0]?.key}`;
    if (select.dataset.of === key) return;
    select.dataset.of = key;
    const options = [...starts]
      .reverse()
      .map(({ key: value, words }) => h("option", { value }, words));
    select.replaceChildren(h("option", { value: "" }, "iteration…"), ...options);
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

  #switchTheme(): void {
    const dark =
      this.#options.theme ??
      (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    this.#options.setTheme(dark === "dark" ? "light" : "dark");
  }

  async #copy(text: string, button?: Element): Promise<void> {
    let words = "copied";
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      words = "the browser does not allow copying";
    }
    setText(one("#announce"), words);
    if (button === undefined) return;
    const was = button.textContent ?? "";
    setText(button, words === "copied" ? "copied ✓" : "refused");
    setTimeout(() => setText(button, was), 1_200);
  }

  #download(): void {
    const view = this.#view;
    if (view === undefined) return;
    const blob = new Blob([view.jsonLines()], { type: "application/x-ndjson" });
    const href = URL.createObjectURL(blob);
    h("a", { href, download: `${view.workstream}.ndjson` }).click();
    setTimeout(() => URL.revokeObjectURL(href), 10_000);
  }

  #shortcuts(): void {
    const view = (act: (view: WorkstreamView) => void) => () => this.#view && act(this.#view);
    const type =
      (name: string) =>
      ({ line }: { line: { event: { type: string } } }) =>
        line.event.type === name;
    const filter = one<HTMLInputElement>("#filter");
    const other = (by: number) => {
      const n = this.#workstreams.length;
      const i = this.#workstreams.indexOf(this.#view?.workstream ?? "");
      if (n > 1) location.hash = `#/w/${this.#workstreams[(i + by + n) % n]}`;
    };
    listen([
      { keys: ["j", "ArrowDown"], words: "next line", act: view((v) => v.move(1)) },
      { keys: ["k", "ArrowUp"], words: "previous line", act: view((v) => v.move(-1)) },
      { keys: ["n"], words: "next iteration", act: view((v) => v.move(1, type("iter.start"))) },
      {
        keys: ["p"],
        words: "previous iteration",
        act: view((v) => v.move(-1, type("iter.start"))),
      },
      {
        keys: ["e"],
        words: "next warning or error",
        act: view((v) => v.move(1, ({ level }) => level === "warn" || level === "error")),
      },
      {
        keys: ["Enter", "o"],
        words: "fold or unfold the line",
        act: view((v) => v.toggle("fold")),
      },
      { keys: ["x"], words: "show the line as JSON", act: view((v) => v.toggle("json")) },
      {
        keys: ["c"],
        words: "copy the line",
        act: view((v) => v.entry && this.#copy(lineText(v.entry))),
      },
      {
        keys: ["y"],
        words: "copy a link to the line",
        act: view(
          (v) =>
            v.chosen &&
            this.#copy(`${location.href.replace(/#.*/, "")}#/w/${v.workstream}/${v.chosen}`),
        ),
      },
      { keys: ["f", "G"], words: "follow the newest line", act: view((v) => v.follow()) },
      { keys: ["g"], words: "go to the oldest line held", act: view((v) => v.list.show(0)) },
      { keys: ["/"], words: "filter", act: () => filter.select() },
      { keys: ["r"], words: "filter by regular expression", act: () => one("#regex").click() },
      { keys: ["Escape"], words: "clear the filter and the choice", act: () => this.#clear() },
      { keys: ["t"], words: "times on or off", act: () => this.#options.switch("time") },
      { keys: ["w"], words: "wrap on or off", act: () => this.#options.switch("wrap") },
      { keys: ["l"], words: "light or dark", act: () => this.#switchTheme() },
      { keys: ["d"], words: "download", act: () => this.#download() },
      {
        keys: ["[", "]"],
        words: "previous, next workstream",
        act: (key) => other(key === "[" ? -1 : 1),
      },
      { keys: ["?"], words: "this sheet", act: () => one<HTMLDialogElement>("#sheet").showModal() },
    ]);
  }

  #clear(): void {
    one<HTMLInputElement>("#filter").value = "";
    this.#options.setFilter("");
    this.#view?.choose(undefined);
  }
}

const STATES = {
  connecting: "connecting",
  replaying: "loading",
  live: "live",
  gap: "live",
  stale: "reconnecting",
  denied: "denied",
  closed: "closed",
};

const newestState = ({ store }: WorkstreamView): string | undefined => {
  const newest = store.order.at(-1);
  return newest === undefined ? undefined : store.summary(newest).info?.state;
};
