import type { App } from "./app.ts";
import { one } from "./dom.ts";
import type { Entry } from "./entry.ts";
import type { Shortcut } from "./keys.ts";
import type { WorkstreamView } from "./view.ts";

/** What the keys do. */
export function shortcuts(app: App): Shortcut[] {
  const view = (act: (view: WorkstreamView) => void) => () => app.view && act(app.view);
  const filter = one<HTMLInputElement>("#filter");
  const begins = ({ line }: Entry) => line.event.type === "iter.start";
  const isBad = ({ level }: Entry) => level === "warn" || level === "error";
  return [
    { keys: ["j", "ArrowDown"], words: "next line", act: view((v) => v.move(1)) },
    { keys: ["k", "ArrowUp"], words: "previous line", act: view((v) => v.move(-1)) },
    { keys: ["n"], words: "next iteration", act: view((v) => v.move(1, begins, "start")) },
    { keys: ["p"], words: "previous iteration", act: view((v) => v.move(-1, begins, "start")) },
    { keys: ["e"], words: "next warning or error", act: view((v) => v.move(1, isBad)) },
    { keys: ["E"], words: "previous warning or error", act: view((v) => v.move(-1, isBad)) },
    { keys: [" ", "PageDown"], words: "a page down", act: view((v) => v.list.page(1)) },
    { keys: ["b", "PageUp"], words: "a page up", act: view((v) => v.list.page(-1)) },
    {
      keys: ["g", "Home"],
      words: "the oldest line held",
      act: view((v) => v.list.show(0, "start")),
    },
    { keys: ["f", "G", "End"], words: "follow the newest line", act: view((v) => v.follow()) },
    { keys: ["Enter", "o"], words: "fold or unfold the line", act: view((v) => v.toggle("fold")) },
    { keys: ["x"], words: "the line as JSON", act: view((v) => v.toggle("json")) },
    { keys: ["c"], words: "copy the line", act: () => app.copyLine() },
    { keys: ["y"], words: "copy a link to the line", act: () => app.copyLink() },
    { keys: ["/"], words: "filter", act: () => filter.select() },
    { keys: ["r"], words: "filter by regular expression", act: () => one("#regex").click() },
    { keys: ["Escape"], words: "clear the filter, then the choice", act: () => app.clear() },
    { keys: ["t"], words: "times on or off", act: () => app.options.switch("time") },
    { keys: ["w"], words: "wrap on or off", act: () => app.options.switch("wrap") },
    { keys: ["l"], words: "light or dark", act: () => app.switchTheme() },
    { keys: ["d"], words: "download what is held", act: () => app.download() },
    {
      keys: ["[", "]"],
      words: "previous, next workstream",
      act: (key) => app.other(key === "[" ? -1 : 1),
    },
    { keys: ["?"], words: "this sheet", act: () => app.help() },
  ];
}
