import type { CDPSession, Page } from "playwright-core";

/** What it is measured against in the same run. */
export interface Peer {
  name: string;
  value: number;
}

const rounded = (value: number): number => Math.round(value * 10) / 10;

/** Prints a row; less is better. */
export function row(name: string, unit: string, ours: number, goal: number, peer?: Peer): void {
  const against =
    peer === undefined || !Number.isFinite(peer.value)
      ? { peer: null, peerName: peer === undefined ? null : `${peer.name}, never`, ratio: null }
      : {
          peer: rounded(peer.value),
          peerName: peer.name,
          ratio: Math.round((ours / peer.value) * 1_000) / 1_000,
        };
  console.log(
    JSON.stringify({ name, unit, ours: rounded(ours), ...against, goal, met: ours <= goal }),
  );
}

export const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export const quantile = (list: number[], q: number): number =>
  [...list].sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * q))] ??
  Infinity;

/** Begins to note a page's frames. */
export const noteFrames = (page: Page): Promise<void> =>
  page.evaluate(() => {
    const frames: number[] = [];
    let last = performance.now();
    const tick = (now: number) => {
      frames.push(now - last);
      last = now;
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
    Object.assign(window, { frames });
  });

/** The longest frame since a second after they began to be noted, ms. */
export async function longestFrame(page: Page): Promise<number> {
  const frames = await page.evaluate(() => (window as unknown as { frames: number[] }).frames);
  let at = 0;
  let longest = 0;
  for (const ms of frames) {
    at += ms;
    if (at > 1_000) longest = Math.max(longest, ms);
  }
  return longest;
}

/** MB of JavaScript heap in use, garbage included. */
export async function heap(cdp: CDPSession): Promise<number> {
  const { usedSize } = await cdp.send("Runtime.getHeapUsage");
  return usedSize / 1_048_576;
}
