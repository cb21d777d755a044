import { type ClientOptions, connect, type Line, placeOf, type Status } from "ralph-logs";
import { useEffect, useState } from "react";

const MAX_LINES = 5_000;

interface Props {
  url: string;
  workstream: string;
  /** The same function between renders: of the module, or from `useCallback`. */
  token: ClientOptions["token"];
}

/** The lines of a workstream, and how it is doing. */
export function useLogs({ url, workstream, token }: Props) {
  const [lines, setLines] = useState<Line[]>([]);
  const [status, setStatus] = useState<Status>();
  useEffect(() => {
    const stop = new AbortController();
    const logs = connect({ url, token, signal: stop.signal }).subscribe(workstream);
    let held: Line[] = [];
    logs.on("lines", (batch) => {
      held = [...held];
      for (const line of batch) held.splice(placeOf(held, line), 0, line);
      const gone = held.splice(0, Math.max(0, held.length - MAX_LINES));
      const last = gone.findLast((line) => line.seq > 0);
      if (last !== undefined) logs.evict(last);
      setLines(held);
    });
    logs.on("status", setStatus);
    return () => {
      stop.abort();
      setLines([]);
    };
  }, [url, workstream, token]);
  return { lines, status };
}

export function Logs(props: Props) {
  const { lines, status } = useLogs(props);
  return (
    <section aria-busy={status?.state === "replaying"}>
      <p role="status">{status?.state ?? "connecting"}</p>
      <ol>
        {lines.map(({ run, seq, ts, event }, i) => (
          <li key={`${run} ${seq || `${ts} ${i}`}`} hidden={event.type === "spend"}>
            {"text" in event ? event.text : event.type}
          </li>
        ))}
      </ol>
    </section>
  );
}
