import { readFrame } from "../../client/src/frame.ts";
import type { Rules } from "../../client/src/rules.ts";
import type { Output } from "../../client/src/types.ts";

/** Gives a frame to the rules, as the connection does. */
export function handleFrame(rules: Rules, now: number, text: string): Output[] {
  const frame = readFrame(text);
  if (frame === "gateway") return rules.handle(now, { type: "message", message: {} });
  if (frame === "unreadable") rules.distrust();
  if (typeof frame === "string") return rules.handle(now, { type: "tick" });
  return rules.handle(now, { type: "message", message: frame });
}
