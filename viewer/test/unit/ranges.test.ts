import fc from "fast-check";
import { expect, test } from "vitest";
import { RangeSet } from "../../client/src/ranges.ts";

const MAX = 60;
const step = fc.record({
  kind: fc.constantFrom("add" as const, "addRange" as const, "removeRange" as const),
  a: fc.integer({ min: 1, max: MAX }),
  b: fc.integer({ min: 1, max: MAX }),
});

test("a set of ranges is a set of numbers", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const ours = new RangeSet();
      const plain = new Set<number>();
      for (const { kind, a, b } of steps) {
        if (kind === "add") {
          expect(ours.add(a)).toBe(!plain.has(a));
          plain.add(a);
          continue;
        }
        ours[kind](a, b);
        for (let n = a; n <= b; n++) kind === "addRange" ? plain.add(n) : plain.delete(n);
      }
      const all = Array.from({ length: MAX }, (_, i) => i + 1);
      expect(all.filter((n) => ours.has(n))).toEqual(all.filter((n) => plain.has(n)));
      expect(ours.size).toBe(plain.size);
      expect(ours.max).toBe(Math.max(0, ...plain));
      expect(ours.min).toBe(plain.size === 0 ? 0 : Math.min(...plain));
      const missing = ours.missing(1, MAX).flatMap(([first, last]) => all.slice(first - 1, last));
      expect(missing).toEqual(all.filter((n) => !plain.has(n)));
      // Disjoint, not adjacent, in order: there is one way to write a set.
      let end = -1;
      for (const [first, last] of ours) {
        expect(first).toBeGreaterThan(end + 1);
        expect(last).toBeGreaterThanOrEqual(first);
        end = last;
      }
    }),
  );
});
