// A local server (`ralph local`, `ralph view`) hands out tokens to whoever has its secret. The link
// that it prints carries the secret in the fragment, which browsers send nowhere, before the route:
// `#secret=<secret>/w/docs`.
const FRAGMENT = /^#secret=([\w-]+)(.*)$/;
const KEPT = "ralph.secret";

let kept: string | undefined;

/** Takes the secret out of the address and keeps it for this tab; whether there was one. */
export function takeSecret(): boolean {
  const [, secret, route] = location.hash.match(FRAGMENT) ?? [];
  if (secret === undefined) return false;
  kept = secret;
  try {
    sessionStorage.setItem(KEPT, secret);
  } catch {
    // Storage may be switched off: the page works until it is loaded again.
  }
  const { pathname, search } = location;
  history.replaceState(null, "", `${pathname}${search}${route ? `#${route}` : ""}`);
  return true;
}

/** The secret of the link that this tab was opened with. */
export function secret(): string | undefined {
  if (kept !== undefined) return kept;
  try {
    return sessionStorage.getItem(KEPT) ?? undefined;
  } catch {
    return undefined;
  }
}
