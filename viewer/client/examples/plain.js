import { connect, placeOf } from "ralph-logs";

const MAX_LINES = 5_000;

/** Shows a workstream's lines in one element, how it is doing in another. */
export function show(list, state, { url, token, workstream }) {
  const logs = connect({ url, token }).subscribe(workstream);
  const lines = [];
  logs.on("lines", (batch) => {
    for (const line of batch) {
      const item = document.createElement("li");
      item.textContent = line.event.text ?? line.event.type;
      item.hidden = line.event.type === "spend";
      const place = placeOf(lines, line);
      lines.splice(place, 0, line);
      list.insertBefore(item, list.children[place] ?? null);
    }
    while (lines.length > MAX_LINES) {
      logs.evict(lines.shift());
      list.firstElementChild.remove();
    }
  });
  logs.on("status", (status) => {
    state.textContent = status.lost > 0 ? `${status.state}, ${status.lost} lost` : status.state;
  });
  return logs;
}
