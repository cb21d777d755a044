import { connect, type Line } from "ralph-logs";
import { isWorkstream, readConfig, tokensFrom } from "./config.ts";
import "./style.css";

const config = await readConfig();
const workstream = location.hash.match(/^#\/w\/(.+)$/)?.[1] ?? config.workstreams[0];
const list = document.querySelector("#log") as HTMLElement;
const state = document.querySelector("#state") as HTMLElement;
if (isWorkstream(workstream)) {
  document.title = `${workstream} · ralph`;
  const client = connect({ url: config.websocketUrl, token: tokensFrom(config.tokenEndpoint) });
  const logs = client.subscribe(workstream);
  const text = ({ event }: Line) => ("text" in event ? event.text : JSON.stringify(event));
  logs.on("lines", (lines) => {
    for (const line of lines) {
      const row = document.createElement("div");
      row.className = "line";
      row.dataset.seq = `${line.run}/${line.seq}`;
      row.textContent = `${new Date(line.ts).toISOString()} ${line.event.type} ${text(line)}`;
      list.append(row);
    }
  });
  logs.on("status", (status) => {
    state.textContent = status.state;
  });
} else {
  state.textContent = "no workstream: add #/w/<workstream> to the address";
}
