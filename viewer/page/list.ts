import {
  elementScroll,
  measureElement,
  observeElementOffset,
  observeElementRect,
  Virtualizer,
} from "@tanstack/virtual-core";
import { runAttempt } from "ralph-logs";
import { h } from "./dom.ts";
import type { Row } from "./rows.ts";

/** How near the end counts as being there, in pixels. */
const NEAR = 40;
/** How near the beginning older lines are asked for. */
const EARLY = 400;
/** Sizes of rows that are gone are forgotten once there are this many. */
const MAX_SIZES = 30_000;
/** How long after a wheel, touch or key a scroll is a person's. */
const BY_HAND_MS = 400;

/** The list's events, and what it asks for. */
export interface ListEvents {
  /** Makes a row's element. */
  render: (row: Row) => HTMLElement;
  /** What a row's element depends on beside its key; a change makes it again. */
  version: (row: Row) => string;
  /** A person scrolled away from the end, or back to it. */
  follow: (following: boolean) => void;
  /** A person is near the beginning. */
  older: () => void;
}

/** A list of which only the visible rows exist, and which can stay at its end. */
export class LogList {
  readonly #scroll: HTMLElement;
  readonly #body = h("div", { className: "rows", role: "list" });
  readonly #events: ListEvents;
  readonly #virtual: Virtualizer<HTMLElement, HTMLElement>;
  readonly #elements = new Map<string, { element: HTMLElement; version: string }>();
  #rows: Row[] = [];
  #following = true;
  #byHandUntil = 0;
  #dragging = false;
  #frame = 0;

  constructor(scroll: HTMLElement, events: ListEvents) {
    this.#scroll = scroll;
    this.#events = events;
    scroll.replaceChildren(this.#body);
    this.#virtual = new Virtualizer<HTMLElement, HTMLElement>(this.#options());
    this.#virtual._didMount();
    this.#virtual._willUpdate();
    const byHand = () => {
      this.#byHandUntil = performance.now() + BY_HAND_MS;
    };
    scroll.addEventListener("wheel", byHand, { passive: true });
    scroll.addEventListener("touchmove", byHand, { passive: true });
    scroll.addEventListener("keydown", byHand);
    scroll.addEventListener("pointerdown", (event) => {
      // On the container itself: its scroll bar.
      this.#dragging = event.target === scroll;
    });
    addEventListener("pointerup", () => {
      if (this.#dragging) byHand();
      this.#dragging = false;
    });
    scroll.addEventListener("scroll", () => this.#scrolled(), { passive: true });
  }

  /** Where iterations begin. */
  starts: { key: string; attempt: number; words: string }[] = [];

  get rows(): readonly Row[] {
    return this.#rows;
  }

  /** Whether it stays at its end. */
  get following(): boolean {
    return this.#following;
  }

  set following(following: boolean) {
    if (following === this.#following) return;
    this.#following = following;
    this.#events.follow(following);
    if (following) this.#draw();
  }

  /** The first row that is visible. */
  get firstVisible(): number {
    const at = this.#scroll.scrollTop;
    return this.#virtual.getVirtualItemForOffset(at)?.index ?? 0;
  }

  /** Shows these rows, and keeps what is being read where it is. */
  set(rows: Row[]): void {
    const anchor = this.#following ? undefined : this.#anchor();
    this.#rows = rows;
    this.starts = rows.flatMap((row) =>
      row.kind === "line" && row.entry.line.event.type === "iter.start"
        ? [{ key: row.key, attempt: runAttempt(row.entry.line.run), words: row.entry.text }]
        : [],
    );
    if (this.#virtual.itemSizeCache.size > MAX_SIZES) {
      const keys = new Set(rows.map((row) => row.key));
      for (const key of this.#virtual.itemSizeCache.keys()) {
        if (!keys.has(key as string)) this.#virtual.itemSizeCache.delete(key);
      }
    }
    this.#virtual.setOptions(this.#options());
    this.#virtual._willUpdate();
    if (anchor !== undefined) this.#restore(anchor);
    this.#draw();
  }

  /** Every row may have another height: wrapping, or another width. */
  remeasure(): void {
    this.#virtual.measure();
    this.#draw();
  }

  /** Brings a row into view (its middle or its top), and stops following. */
  show(index: number, align: "center" | "start"): void {
    this.following = false;
    // These rows may not have been drawn yet: what is not tall cannot scroll.
    this.#body.style.height = `${this.#virtual.getTotalSize()}px`;
    // Not `scrollToIndex`: it would go on correcting after older lines have come in above.
    const start = this.#virtual.getOffsetForIndex(index, align)?.[0] ?? 0;
    this.#moveTo(start);
    if (start < EARLY) this.#events.older();
    this.#draw();
  }

  /** Scrolls by pages, as the keys for it do; the log need not have the focus. */
  page(by: number): void {
    this.#byHandUntil = performance.now() + BY_HAND_MS;
    this.#scroll.scrollBy({ top: by * (this.#scroll.clientHeight - 40) });
  }

  /** The element of a row, if it is visible. */
  element(key: string): HTMLElement | undefined {
    return this.#elements.get(key)?.element;
  }

  #options(): ConstructorParameters<typeof Virtualizer<HTMLElement, HTMLElement>>[0] {
    const rows = this.#rows;
    return {
      count: rows.length,
      getScrollElement: () => this.#scroll,
      estimateSize: (i) => (rows[i]?.kind === "run" ? 64 : 21),
      getItemKey: (i) => rows[i]?.key ?? i,
      overscan: 12,
      observeElementRect,
      observeElementOffset,
      scrollToFn: elementScroll,
      measureElement,
      onChange: () => this.#draw(),
    };
  }

  #anchor(): { key: string; offset: number } | undefined {
    const at = this.#scroll.scrollTop;
    // The last visible line: a page of older ones comes oldest first, in several frames, each of
    // which goes between what is read and what the frame before has brought.
    const bottom = at + this.#scroll.clientHeight - 1;
    let index = this.#virtual.getVirtualItemForOffset(bottom)?.index ?? 0;
    while (index > 0 && this.#rows[index]?.kind !== "line") index--;
    const item = this.#virtual.measurementsCache[index];
    return item && { key: String(item.key), offset: at - item.start };
  }

  #restore({ key, offset }: { key: string; offset: number }): void {
    const index = this.#rows.findIndex((row) => row.key === key);
    const start = index < 0 ? undefined : this.#virtual.getOffsetForIndex(index, "start")?.[0];
    if (start === undefined) return;
    this.#body.style.height = `${this.#virtual.getTotalSize()}px`;
    const item = this.#virtual.measurementsCache[index];
    this.#moveTo((item?.start ?? start) + offset);
  }

  /**
   * Scrolls. The virtual list is told at once: where the view is decides which rows exist, and its
   * own corrections start from what it believes.
   */
  #moveTo(top: number): void {
    this.#scroll.scrollTop = top;
    this.#virtual.scrollOffset = this.#scroll.scrollTop;
  }

  /** Draws in the next frame; several requests are one. */
  #draw(): void {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#drawNow();
    });
  }

  #drawNow(): void {
    const height = `${this.#virtual.getTotalSize()}px`;
    if (this.#body.style.height !== height) this.#body.style.height = height;
    if (this.#following) {
      const end = this.#scroll.scrollHeight - this.#scroll.clientHeight;
      if (Math.abs(this.#scroll.scrollTop - end) > 1) {
        this.#moveTo(end);
      }
    }
    const items = this.#virtual.getVirtualItems();
    const keep = new Set<string>();
    let before: Element | null = null;
    for (const item of items) {
      const row = this.#rows[item.index];
      if (row === undefined) continue;
      keep.add(row.key);
      const version = this.#events.version(row);
      let known = this.#elements.get(row.key);
      if (known === undefined || known.version !== version) {
        const element = this.#events.render(row);
        element.setAttribute("role", "listitem");
        if (known !== undefined) replace(known.element, element);
        known = { element, version };
        this.#elements.set(row.key, known);
      }
      const { element } = known;
      element.dataset.index = String(item.index);
      element.setAttribute("aria-posinset", String(item.index + 1));
      element.setAttribute("aria-setsize", String(this.#rows.length));
      element.style.transform = `translateY(${item.start}px)`;
      const expected: Element | null =
        before === null ? this.#body.firstElementChild : before.nextElementSibling;
      if (expected !== element) this.#body.insertBefore(element, expected);
      before = element;
      this.#virtual.measureElement(element);
    }
    for (const [key, { element }] of this.#elements) {
      if (keep.has(key)) continue;
      element.remove();
      this.#elements.delete(key);
    }
    this.#virtual.measureElement(null);
  }

  #scrolled(): void {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroll;
    if (scrollTop < EARLY && !this.#following) this.#events.older();
    if (!this.#dragging && performance.now() > this.#byHandUntil) return;
    this.following = scrollHeight - scrollTop - clientHeight < NEAR;
  }
}

/** Replaces a row's element; a button of it that has the focus keeps it. */
function replace(old: HTMLElement, element: HTMLElement): void {
  const { activeElement } = document;
  const act = old.contains(activeElement) && (activeElement as HTMLElement).dataset.act;
  old.replaceWith(element);
  if (act)
    element.querySelector<HTMLElement>(`[data-act="${act}"]`)?.focus({ preventScroll: true });
}
