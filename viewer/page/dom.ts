type Child = Node | string | undefined | null | false;
type Props = { [name: string]: unknown };

/**
 * Makes an element. Text becomes text nodes, never markup; `on…` props are listeners, names with a
 * dash and `role` attributes, the rest properties.
 */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === false) continue;
    if (name.startsWith("on")) {
      element.addEventListener(name.slice(2), value as EventListener);
    } else if (name.includes("-") || name === "role" || name === "for") {
      element.setAttribute(name, String(value));
    } else {
      (element as unknown as Props)[name] = value;
    }
  }
  for (const child of children) {
    if (child !== undefined && child !== null && child !== false) element.append(child);
  }
  return element;
}

/** Replaces what an element holds. */
export function fill(element: Element, ...children: Child[]): void {
  element.replaceChildren(...children.filter((c): c is Node | string => !!c));
}

/** Sets text only when it differs: selections and screen readers are left alone. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** The one element that must be there. */
export function one<T extends Element = HTMLElement>(selector: string): T {
  const element = document.querySelector<T>(selector);
  if (element === null) throw new Error(`${selector} is missing from the page`);
  return element;
}
