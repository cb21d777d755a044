import fc from "fast-check";
import { expect, test } from "vitest";
import { Times } from "../../client/src/times.ts";

test("the time of a line's neighbours is that of the nearest lines that are known", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 40 }), fc.nat(9))),
      fc.integer({ min: 0, max: 41 }),
      (lines, seq) => {
        const times = new Times();
        const plain = new Map<number, number>();
        for (const [n, ts] of lines) {
          times.set(n, ts);
          plain.set(n, ts);
          // Asked in between, so that an order which is kept is seen to be made again.
          times.before(seq);
        }
        const known = [...plain.keys()].sort((a, b) => a - b);
        expect(times.before(seq)).toBe(plain.get(known.findLast((n) => n < seq) ?? 0));
        expect(times.from(seq)).toBe(plain.get(known.find((n) => n >= seq) ?? 0));
      },
    ),
  );
});

test("of many times, those at the ends of what is held and a mark every 256 lines are kept", () => {
  const times = new Times();
  for (let seq = 1; seq <= 2_000; seq++) times.set(seq, seq);
  times.prune([[10, 2_000]], 2_000);
  const kept = Array.from({ length: 2_000 }, (_, i) => i + 1).filter((n) => times.get(n));
  expect(kept).toEqual([10, 256, 512, 768, 1_024, 1_280, 1_536, 1_792, 2_000]);
  expect(times.before(1_000)).toBe(768);
});
