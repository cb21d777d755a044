import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { h } from "./dom.ts";
import * as format from "./format.ts";
import type { IterationSum } from "./spent.ts";

const WIDTH = 230;
const HEIGHT = 34;
const DARK = matchMedia("(prefers-color-scheme: dark)");

/** Cost (bars) and tokens (line) of an execution's iterations. */
export class Chart {
  readonly element = h("figure", { className: "chart", hidden: true });
  readonly #plot = h("div", { "aria-hidden": "true" });
  readonly #caption = h("figcaption", {});
  #chart: uPlot | undefined;
  #drawn = "";

  constructor() {
    this.element.append(this.#plot, this.#caption);
  }

  /** Draws iterations; nothing happens while nothing changed. */
  show(list: IterationSum[]): void {
    if (!this.element.isConnected) return;
    const theme = document.documentElement.dataset.theme ?? DARK.matches;
    const key = JSON.stringify([theme, list]);
    if (key === this.#drawn) return;
    this.#drawn = key;
    const bar = this.#color("--accent");
    this.element.hidden = list.length < 2;
    this.#chart?.destroy();
    this.#chart = undefined;
    if (this.element.hidden) return;
    const most = Math.max(...list.map((i) => i.costUsd));
    this.#caption.textContent = `cost (up to ${format.money(most)}) and tokens by iteration`;
    const line = this.#color("--warm");
    const bars = uPlot.paths.bars?.({ size: [0.7, 24] });
    this.#chart = new uPlot(
      {
        width: WIDTH,
        height: HEIGHT,
        legend: { show: false },
        cursor: { show: false },
        padding: [4, 0, 2, 0],
        scales: {
          x: { time: false, range: (_, min, max) => [min - 0.6, max + 0.6] },
          cost: { range: (_, __, max) => [0, max || 1] },
          tokens: { range: (_, __, max) => [0, (max || 1) * 1.05] },
        },
        axes: [{ show: false }, { show: false, scale: "cost" }],
        series: [
          {},
          { scale: "cost", fill: bar, ...(bars && { paths: bars }), points: { show: false } },
          { scale: "tokens", stroke: line, width: 2, points: { show: false } },
        ],
      },
      [list.map((i) => i.iter), list.map((i) => i.costUsd), list.map((i) => i.tokens)],
      this.#plot,
    );
  }

  /** A color of the theme in force, as a canvas understands it. */
  #color(name: string): string {
    const { style } = this.#caption;
    style.outlineColor = `var(${name})`;
    return getComputedStyle(this.#caption).outlineColor;
  }
}
