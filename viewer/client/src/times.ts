/** Every so many numbers a time is kept for good, so that an evicted page can be read again. */
const MARK_EVERY = 256;

/** The times of a run's lines by their numbers: those that bound what is held, and marks. */
export class Times {
  readonly #times = new Map<number, number>();
  /** The numbers in order, once somebody has asked for neighbours. */
  #order: number[] | undefined;

  set(seq: number, ts: number): void {
    this.#times.set(seq, ts);
    this.#order = undefined;
  }

  get(seq: number): number | undefined {
    return this.#times.get(seq);
  }

  /** The time of the nearest line before a number. */
  before(seq: number): number | undefined {
    const [order, i] = this.#find(seq);
    return this.#times.get(order[i - 1] as number);
  }

  /** The time of the nearest line from a number on. */
  from(seq: number): number | undefined {
    const [order, i] = this.#find(seq);
    return this.#times.get(order[i] as number);
  }

  /** Forgets the times that bound nothing, once there are many. */
  prune(held: Iterable<[first: number, last: number]>, top: number): void {
    if (this.#times.size < 1_024 + top / MARK_EVERY) return;
    const keep = new Set<number>();
    for (const [first, last] of held) keep.add(first).add(last);
    for (const seq of this.#times.keys()) {
      if (seq % MARK_EVERY !== 0 && !keep.has(seq)) this.#times.delete(seq);
    }
    this.#order = undefined;
  }

  /** The numbers in order, and the place of the first one that is not lower than `seq`. */
  #find(seq: number): [order: number[], place: number] {
    this.#order ??= [...this.#times.keys()].sort((a, b) => a - b);
    let low = 0;
    let high = this.#order.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#order[middle] as number) < seq) low = middle + 1;
      else high = middle;
    }
    return [this.#order, low];
  }
}
