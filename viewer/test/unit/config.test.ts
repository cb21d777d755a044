import { afterEach, expect, test, vi } from "vitest";
import { readConfig } from "../../page/config.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

const never = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });
const slow = (signal: AbortSignal) =>
  new Response(
    new ReadableStream({
      start: (body) => signal.addEventListener("abort", () => body.error(signal.reason)),
    }),
  );

test.each<[what: string, (signal: AbortSignal) => Promise<Response>, words: string]>([
  ["never answers", never, "config.json: no answer after 5 s"],
  ["begins an answer and stops", async (s) => slow(s), "config.json: no answer after 5 s"],
  [
    "is not there",
    async () => Promise.reject(new TypeError("Failed to fetch")),
    "config.json: the server cannot be reached",
  ],
  ["answers something else", async () => new Response("<html>"), "config.json is not JSON"],
])("of a host that %s the page says so in words", async (_, answer, words) => {
  const soon = AbortSignal.timeout(10);
  vi.spyOn(AbortSignal, "timeout").mockReturnValue(soon);
  vi.spyOn(globalThis, "fetch").mockImplementation((_url, init) =>
    answer(init?.signal as AbortSignal),
  );
  await expect(readConfig()).rejects.toThrow(words);
});
