/** A set of positive integers, kept as disjoint, non-adjacent inclusive ranges in order. */
export class RangeSet {
  // Two arrays rather than one of pairs: almost every insertion extends the last range in place.
  #first: number[] = [];
  #last: number[] = [];

  /** How many numbers it holds. */
  get size(): number {
    let size = 0;
    for (const [first, last] of this) size += last - first + 1;
    return size;
  }

  /** The highest number, 0 when empty. */
  get max(): number {
    return this.#last.at(-1) ?? 0;
  }

  /** The lowest number, 0 when empty. */
  get min(): number {
    return this.#first[0] ?? 0;
  }

  *[Symbol.iterator](): Iterator<[first: number, last: number]> {
    for (let i = 0; i < this.#first.length; i++) {
      yield [this.#first[i] as number, this.#last[i] as number];
    }
  }

  /** Whether a number is in the set. */
  has(n: number): boolean {
    const i = this.#from(n);
    return i < this.#first.length && (this.#first[i] as number) <= n;
  }

  /** Adds a number; `false` when it was there. */
  add(n: number): boolean {
    if (n === this.max + 1 && this.#last.length > 0) {
      this.#last[this.#last.length - 1] = n;
      return true;
    }
    if (this.has(n)) return false;
    this.addRange(n, n);
    return true;
  }

  /** Adds `first..=last`. */
  addRange(first: number, last: number): void {
    if (first > last) return;
    // Swallow every range that overlaps or touches the new one.
    const begin = this.#from(first - 1);
    let end = begin;
    while (end < this.#first.length && (this.#first[end] as number) <= last + 1) end++;
    const low = end > begin ? Math.min(first, this.#first[begin] as number) : first;
    const high = end > begin ? Math.max(last, this.#last[end - 1] as number) : last;
    this.#first.splice(begin, end - begin, low);
    this.#last.splice(begin, end - begin, high);
  }

  /** Takes `first..=last` out. */
  removeRange(first: number, last: number): void {
    if (first > last) return;
    const begin = this.#from(first);
    let end = begin;
    while (end < this.#first.length && (this.#first[end] as number) <= last) end++;
    if (end === begin) return;
    const low = this.#first[begin] as number;
    const high = this.#last[end - 1] as number;
    const firsts: number[] = [];
    const lasts: number[] = [];
    if (low < first) {
      firsts.push(low);
      lasts.push(first - 1);
    }
    if (high > last) {
      firsts.push(last + 1);
      lasts.push(high);
    }
    this.#first.splice(begin, end - begin, ...firsts);
    this.#last.splice(begin, end - begin, ...lasts);
  }

  /** The ranges of `first..=last` that are not in the set. */
  missing(first: number, last: number): [first: number, last: number][] {
    const out: [number, number][] = [];
    let next = first;
    for (let i = this.#from(first); i < this.#first.length && next <= last; i++) {
      const start = this.#first[i] as number;
      if (start > last) break;
      if (start > next) out.push([next, start - 1]);
      next = (this.#last[i] as number) + 1;
    }
    if (next <= last) out.push([next, last]);
    return out;
  }

  /** Index of the first range that ends at or after `n`. */
  #from(n: number): number {
    let low = 0;
    let high = this.#last.length;
    if (high > 0 && (this.#last[high - 1] as number) < n) return high;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#last[middle] as number) < n) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
