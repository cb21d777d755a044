import { h, one } from "./dom.ts";

/** A shortcut: its keys, what it does, in words and in deed. */
export interface Shortcut {
  keys: string[];
  words: string;
  act: (key: string) => unknown;
}

/** Listens for shortcuts and fills the help sheet. A key that is typed into a field is not one. */
export function listen(shortcuts: Shortcut[]): void {
  const sheet = one<HTMLDialogElement>("#sheet");
  const list = one("#keys");
  for (const { keys, words } of shortcuts) {
    const names = keys.flatMap((key, i) => [i > 0 ? " " : "", h("kbd", {}, NAMES[key] ?? key)]);
    list.append(h("dt", {}, ...names), h("dd", {}, words));
  }
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || sheet.open) return;
    const target = event.target as HTMLElement;
    const typing = target.matches("input, select, textarea");
    if (typing && (event.key === "Escape" || event.key === "Enter")) target.blur();
    if (typing) return;
    // A focused button keeps its own keys.
    if (target.matches("button, a") && (event.key === "Enter" || event.key === " ")) return;
    const shortcut = shortcuts.find(({ keys }) => keys.includes(event.key));
    if (shortcut === undefined) return;
    event.preventDefault();
    shortcut.act(event.key);
  });
}

const NAMES: Record<string, string> = {
  " ": "Space",
  ArrowDown: "↓",
  ArrowUp: "↑",
  Enter: "↵",
  Escape: "Esc",
  PageDown: "PgDn",
  PageUp: "PgUp",
};
