/** How long a gateway that refused a handshake may take to answer a plain request. */
const PROBE_MS = 5_000;

/**
 * What `ask` gives, or an error that says that `what` did not come in time. The signal that `ask` gets
 * is aborted then, and with `outer`.
 */
export async function within<T>(
  ms: number,
  what: string,
  outer: AbortSignal,
  ask: (signal: AbortSignal) => T | Promise<T>,
): Promise<T> {
  outer.throwIfAborted();
  const own = new AbortController();
  const abort = () => own.abort(outer.reason);
  outer.addEventListener("abort", abort);
  const timer = setTimeout(() => own.abort(new Error(`no ${what} after ${ms / 1_000} s`)), ms);
  try {
    return await new Promise<T>((resolve, reject) => {
      own.signal.addEventListener("abort", () => reject(own.signal.reason));
      Promise.resolve(own.signal).then(ask).then(resolve, reject);
    });
  } finally {
    clearTimeout(timer);
    outer.removeEventListener("abort", abort);
  }
}

/**
 * Whether the other end of a WebSocket's address answers a plain request, whatever it says: API Gateway
 * answers 403. Of a handshake that failed, a browser does not tell whether anything answered.
 */
export async function isReachable(url: URL, signal: AbortSignal): Promise<boolean> {
  const plain = new URL(url);
  plain.protocol = url.protocol.replace("ws", "http");
  try {
    await within(PROBE_MS, "answer", signal, (limited) =>
      fetch(plain, { mode: "no-cors", cache: "no-store", credentials: "omit", signal: limited }),
    );
    return true;
  } catch {
    return false;
  }
}
