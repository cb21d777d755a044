export {
  type ClientEvents,
  type ClientOptions,
  type ConnectionState,
  connect,
  DeniedError,
  LogClient,
  type TokenRequest,
} from "./client.ts";
export { type Line, placeOf, runAttempt, runStarted } from "./line.ts";
export type * from "./protocol.ts";
export { Rules } from "./rules.ts";
export type { Status, StreamState, Subscription, SubscriptionEvents } from "./subscription.ts";
export type { Gap } from "./types.ts";
