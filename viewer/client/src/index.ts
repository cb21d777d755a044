export {
  type ClientEvents,
  type ClientOptions,
  type ConnectionState,
  connect,
  DeniedError,
  LogClient,
  type TokenRequest,
} from "./client.ts";
export { placeOf, runAttempt, runStarted } from "./line.ts";
export type * from "./protocol.ts";
export { type Gap, type Line, Rules } from "./rules.ts";
export type { Status, StreamState, Subscription, SubscriptionEvents } from "./subscription.ts";
