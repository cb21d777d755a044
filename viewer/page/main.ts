import { App } from "./app.ts";
import { connectBy, firstConfig } from "./config.ts";
import { h, one } from "./dom.ts";
import { duration } from "./format.ts";
import { listen } from "./keys.ts";
import { takeSecret } from "./secret.ts";
import { shortcuts } from "./shortcuts.ts";
import "./style.css";

takeSecret();
// The printed link, opened in a tab that shows the page already: the page begins afresh with it.
addEventListener("hashchange", () => {
  if (takeSecret()) location.reload();
});

const say = (words: string): void =>
  one("#main").replaceChildren(h("p", { className: "empty", role: "alert" }, words));

const config = await firstConfig((why, retryInMs) =>
  say(`The page cannot begin: ${why}. Trying again in ${duration(retryInMs)}.`),
);
one("#main").replaceChildren();
try {
  listen(shortcuts(new App(connectBy(config), config)));
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
}
