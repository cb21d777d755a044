import { runAttempt } from "ralph-logs";
import type { Chart } from "./chart.ts";
import { fill, h, setText } from "./dom.ts";
import * as format from "./format.ts";
import { stateOf } from "./render.ts";
import { type RunSummary, startOf } from "./store.ts";

/** State, elapsed time, cost and limits of a run, above its lines. */
export class RunHeader {
  readonly #element: HTMLElement;
  readonly #title = h("h2", {});
  readonly #state = h("span", { className: "state" });
  readonly #facts = h("dl", {});
  #chart: Chart | undefined;
  #shown: RunSummary | undefined;

  constructor(element: HTMLElement) {
    this.#element = element;
    const words = h("div", { className: "run-title" }, this.#title, this.#state);
    fill(element, h("div", { className: "run-words" }, words, this.#facts));
    this.#addChart();
    // Elapsed time goes on while nothing comes in.
    setInterval(() => this.#shown && this.show(this.#shown), 1_000);
  }

  /** The chart comes when it comes: the page must not wait for it, nor fail with it. */
  async #addChart(): Promise<void> {
    try {
      const { Chart } = await import("./chart.ts");
      this.#chart = new Chart();
      this.#element.append(this.#chart.element);
      this.show(this.#shown);
    } catch (error) {
      console.warn("no chart:", error);
    }
  }

  /** Shows a run; `undefined`: none yet. */
  show(summary: RunSummary | undefined): void {
    this.#shown = summary;
    this.#element.hidden = summary === undefined;
    if (summary === undefined) return;
    const { run, info, start, end, iterations, iteration } = summary;
    const { state, words } = stateOf(summary);
    setText(this.#title, `Attempt ${runAttempt(run)}`);
    this.#state.className = `state state-${state}`;
    setText(this.#state, words);
    const limits = start?.limits;
    const over = end !== undefined || (info !== undefined && !isGoing(info.state));
    const until =
      end !== undefined ? Date.parse(end.ts) : over ? info?.lastTs || Date.now() : Date.now();
    let cost = 0;
    let tokens = 0;
    for (const { costUsd, tokens: t } of iterations.values()) {
      cost += costUsd;
      tokens += t.input + t.output + t.cacheRead + t.cacheWrite;
    }
    const facts: [name: string, value: string, share?: number | undefined][] = [
      [
        "elapsed",
        withLimit(
          format.duration(until - startOf(summary)),
          limits && format.duration(limits.maxDurationSecs * 1_000),
        ),
        limits && (until - startOf(summary)) / (limits.maxDurationSecs * 1_000),
      ],
      [
        "iteration",
        withLimit(String(iteration), limits && String(limits.maxIterations)),
        limits && iteration / limits.maxIterations,
      ],
      [
        "cost",
        withLimit(format.money(cost), limits && format.money(limits.maxCostUsd)),
        limits && cost / limits.maxCostUsd,
      ],
      ["tokens", format.count(tokens)],
    ];
    this.#facts.hidden = false;
    facts.forEach(([name, value, share], i) => {
      const known = this.#facts.children[i] as HTMLElement | undefined;
      const box =
        known ??
        h("div", {}, h("dt", {}, name), h("dd", {}, h("span", {}), h("i", { className: "bar" })));
      if (known === undefined) this.#facts.append(box);
      const [words, bar] = (box.children[1] as Element).children as unknown as HTMLElement[];
      if (words === undefined || bar === undefined) return;
      setText(words, value);
      bar.hidden = share === undefined;
      bar.classList.toggle("high", (share ?? 0) > 0.85);
      bar.style.setProperty("--share", `${Math.min(100, Math.max(0, (share ?? 0) * 100))}%`);
    });
    this.#chart?.show(summary);
  }
}

const isGoing = (state: string): boolean => state === "starting" || state === "running";
const withLimit = (value: string, limit: string | undefined): string =>
  limit === undefined ? value : `${value} of ${limit}`;
