import { runAttempt, runStarted } from "ralph-logs";
import type { Chart } from "./chart.ts";
import { fill, h, setText } from "./dom.ts";
import * as format from "./format.ts";
import { pullRequest, stateOf } from "./render.ts";
import { executionOf, type Spent, spentOf } from "./spent.ts";
import type { LogStore, RunSummary } from "./store.ts";

/** A fact about a run: its name, its value, and the limit it stands against. */
interface Fact {
  name: string;
  value: string;
  limit?: string | undefined;
  /** How much of the limit is used, from 0 to 1. */
  share?: number | undefined;
  title?: string | undefined;
}

/** State, elapsed time, cost and limits of a run, above its lines. */
export class RunHeader {
  readonly #element: HTMLElement;
  readonly #title = h("h2", {});
  readonly #state = h("span", { className: "state" });
  readonly #pull = h("span", { className: "pull" });
  readonly #facts = h("dl", {});
  #chart: Chart | undefined;
  #shown: [LogStore, RunSummary] | undefined;
  #spent: { key: string; spent: Spent } | undefined;
  #pullShown: string | undefined;

  constructor(element: HTMLElement) {
    this.#element = element;
    fill(
      element,
      h("div", { className: "run-title" }, this.#title, this.#state, this.#pull),
      this.#facts,
    );
    this.#addChart();
    // Elapsed time goes on while nothing comes in.
    setInterval(() => this.#shown && this.show(...this.#shown), 1_000);
  }

  /** The chart comes when it comes: the page must not wait for it, nor fail with it. */
  async #addChart(): Promise<void> {
    try {
      const { Chart } = await import("./chart.ts");
      this.#chart = new Chart();
      this.#element.append(this.#chart.element);
      if (this.#shown !== undefined) this.show(...this.#shown);
    } catch (error) {
      console.warn("no chart:", error);
    }
  }

  /** Shows a run; no summary: there is none yet. */
  show(store: LogStore, summary: RunSummary | undefined): void {
    this.#shown = summary && [store, summary];
    this.#element.hidden = summary === undefined;
    if (summary === undefined) return;
    const { state, words } = stateOf(summary);
    setText(this.#title, `Attempt ${runAttempt(summary.run)}`);
    this.#state.className = `state state-${state}`;
    setText(this.#state, words);
    this.#showPull(pullOf(store, summary.run));
    const spent = this.#spentOf(store, summary.run);
    factsOf(summary, spent).forEach((fact, i) => {
      this.#show(fact, i);
    });
    this.#chart?.show(spent.iterations);
  }

  /** A link that has the focus is not replaced by the same one. */
  #showPull(pull: Pull | undefined): void {
    const key = pull && `${pull.url} ${pull.draft}`;
    if (this.#pullShown === key) return;
    this.#pullShown = key;
    fill(this.#pull, pull && pullRequest(pull.url, pull.draft));
  }

  #show({ name, value, limit, share, title = "" }: Fact, i: number): void {
    let box = this.#facts.children[i] as HTMLElement | undefined;
    if (box === undefined) {
      const words = [
        h("span", {}),
        h("span", { className: "limit" }),
        h("i", { className: "bar" }),
      ];
      box = h("div", {}, h("dt", {}, name), h("dd", {}, ...words));
      this.#facts.append(box);
    }
    box.title = title;
    const [words, of, bar] = (box.children[1] as Element).children as unknown as HTMLElement[];
    if (words === undefined || of === undefined || bar === undefined) return;
    setText(words, value);
    setText(of, limit === undefined ? "" : ` of ${limit}`);
    bar.hidden = share === undefined;
    bar.classList.toggle("high", (share ?? 0) > 0.85);
    bar.style.setProperty("--share", `${Math.min(100, Math.max(0, (share ?? 0) * 100))}%`);
  }

  /** Adding up thousands of iterations is not for every frame. */
  #spentOf(store: LogStore, run: string): Spent {
    const key = `${store.id} ${run} ${store.accounts}`;
    if (this.#spent?.key !== key) this.#spent = { key, spent: spentOf(store, run) };
    return this.#spent.spent;
  }
}

type Pull = { url: string; draft: boolean };

/** The pull request of an execution: each attempt tells of it when it pushes first, or at its end. */
function pullOf(store: LogStore, run: string): Pull | undefined {
  for (const other of [...store.order].reverse()) {
    if (executionOf(other) !== executionOf(run)) continue;
    const { pull, info } = store.summary(other);
    if (pull !== undefined) return pull;
    // Its line may not be loaded; whether it is a draft stands only there.
    if (info?.pullRequest !== undefined) return { url: info.pullRequest, draft: false };
  }
  return undefined;
}

/** Limits bound an execution, whatever the number of its attempts: time counts from its start. */
function factsOf({ run, info, end, ...known }: RunSummary, spent: Spent): Fact[] {
  const { costUsd, reservedUsd, tokens, whole, limits } = spent;
  const iteration = Math.max(known.iteration, spent.iterations.at(-1)?.iter ?? 0);
  const over = info !== undefined && info.state !== "starting" && info.state !== "running";
  const last = end !== undefined ? Date.parse(end.ts) : over ? info.lastTs : 0;
  const elapsed = (last || Date.now()) - runStarted(run);
  const reserved =
    over || end !== undefined || reservedUsd === 0
      ? ""
      : `; up to ${format.money(reservedUsd)} more is reserved for requests`;
  const ofLimit = (value: number, limit: number | undefined): number | undefined =>
    limit === undefined ? undefined : value / limit;
  return [
    {
      name: "elapsed",
      value: format.duration(elapsed),
      limit: limits && format.duration(limits.maxDurationSecs * 1_000),
      share: ofLimit(elapsed, limits && limits.maxDurationSecs * 1_000),
      title: "since the execution began, all attempts included",
    },
    {
      name: "iteration",
      value: String(iteration),
      limit: limits && String(limits.maxIterations),
      share: ofLimit(iteration, limits?.maxIterations),
    },
    {
      name: "cost",
      value: costUsd === undefined ? "–" : format.money(costUsd),
      limit: limits && format.money(limits.maxCostUsd),
      share: costUsd === undefined ? undefined : ofLimit(costUsd, limits?.maxCostUsd),
      title: `of the execution so far, all attempts included${reserved}`,
    },
    {
      name: "tokens",
      value: whole ? format.count(tokens) : tokens === 0 ? "–" : `≥ ${format.count(tokens)}`,
      title: whole ? undefined : "of the attempts that are loaded; scroll up for older ones",
    },
  ];
}
