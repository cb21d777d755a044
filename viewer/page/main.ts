import { connect } from "ralph-logs";
import { App } from "./app.ts";
import { readConfig, tokensFrom } from "./config.ts";
import { h, one } from "./dom.ts";
import { listen } from "./keys.ts";
import { takeSecret } from "./secret.ts";
import { shortcuts } from "./shortcuts.ts";
import "./style.css";

takeSecret();
// The printed link, opened in a tab that shows the page already: the page begins afresh with it.
addEventListener("hashchange", () => {
  if (takeSecret()) location.reload();
});

try {
  const config = await readConfig();
  const client = connect({
    url: config.websocketUrl,
    token: tokensFrom(config.tokenEndpoint),
    workstreams: config.workstreams,
  });
  listen(shortcuts(new App(client, config)));
} catch (error) {
  const words = error instanceof Error ? error.message : String(error);
  one("#main").replaceChildren(h("p", { className: "empty", role: "alert" }, words));
}
