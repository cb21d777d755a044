import { isReachable, within } from "./attempt.ts";
import { Connection } from "./connection.ts";
import { Emitter } from "./emitter.ts";
import { Inbox, type Message } from "./inbox.ts";
import type { ClientMessage } from "./protocol.ts";
import { type Link, Subscription } from "./subscription.ts";

/** Distances between attempts to connect, each ± 50 %; the last one repeats. */
const CONNECT_AGAIN_MS = [500, 1_000, 2_000, 4_000, 8_000, 15_000, 30_000];
/** Attempts in a row that failed before it is said: handshakes refused, or no gateway reached. */
const TRIES = 3;
/** How long the token function, and the one that gives the address, may take. */
const TOKEN_MS = 15_000;
/** How long a handshake may take. */
const HANDSHAKE_MS = 15_000;
/** API Gateway cuts every connection after two hours; the next one is made before that. */
const RECONNECT_MS = 110 * 60_000;
/** How long the old connection stays open beside the new one: what is under way still arrives. */
const OVERLAP_MS = 5_000;
/** How long after the last subscription to a workstream the server is told to deliver no more of it. */
const LEAVE_MS = 2_000;
/** Why an attempt failed that no gateway answered. */
const UNREACHABLE = "the gateway cannot be reached";
/** Most workstreams of a token. */
const MAX_SCOPE = 50;
/** How long after an attempt to connect the network, or the page, may come back before the next. */
const BACK_APART_MS = 1_000;
/** What tells that the network, or the page, is back. */
const BACK = ["online", "pageshow", "visibilitychange"];

/** The input of the token function. */
export interface TokenRequest {
  /** The workstreams that the connection is for. */
  workstreams: string[];
  /** Aborted when the client is closed, and after 15 s: the answer comes too late then. */
  signal: AbortSignal;
}

/** How to connect. */
export interface ClientOptions {
  /**
   * `wss://…`, without a token; or what gives it, called for every connect: a gateway may move. It has
   * 15 s.
   */
  url: string | (() => string | Promise<string>);
  /**
   * Gives a fresh token; called for every connect, since a token is good for one handshake and a
   * minute at most. It has 15 s. Throw {@link DeniedError} when the user may not have one.
   */
  token: (request: TokenRequest) => string | Promise<string>;
  /** Workstreams to name to the token function in advance, followed yet or not; at most 50. */
  workstreams?: string[];
  /** Closes the client when aborted. */
  signal?: AbortSignal;
  /** Bytes of frames that may wait for the page before frames are dropped and asked for later. */
  maxQueuedBytes?: number;
  /** A WebSocket to use instead of the global one. */
  WebSocket?: typeof WebSocket;
}

/** Thrown by a token function: this user gets no token, trying again is pointless for now. */
export class DeniedError extends Error {
  override name = "DeniedError";
}

/** A handshake was refused by a gateway that can be reached. */
class Refused extends Error {}

/** How the connection is doing. */
export type ConnectionState = Link["state"];

/** A client's events. */
export type ClientEvents = {
  /** The connection's state, whenever it changes. */
  state: ConnectionState;
  /** Why an attempt to connect failed; it is made again by itself. */
  failed: { error: unknown; retryInMs: number };
};

/**
 * A connection to the logs of one or more workstreams that keeps itself alive: it pings, connects
 * again after a cut, and changes connections before API Gateway's two hours are over.
 */
export class LogClient extends Emitter<ClientEvents> {
  readonly #options: ClientOptions;
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #abort = new AbortController();
  readonly #inbox: Inbox;
  /** The connection that is used. */
  #connection: Connection | undefined;
  /** The one being made. */
  #next: Connection | undefined;
  /** Those that another one has taken over from, and the timers that close them. */
  readonly #old = new Map<Connection, ReturnType<typeof setTimeout>>();
  /** The workstreams that the connection's token names. */
  #scope: string[] = [];
  #state: ConnectionState = "connecting";
  /** Attempts in a row that failed, whatever the reason. */
  #failures = 0;
  /** Of them, the last ones in a row whose handshakes were refused. */
  #refusals = 0;
  /** Connections that were cut before they brought anything. */
  #cuts = 0;
  #connecting = false;
  /** When the newest attempt to connect began. */
  #tried = Number.NEGATIVE_INFINITY;
  /** Whether the connection that is used has brought a message. */
  #proven = false;
  #again: ReturnType<typeof setTimeout> | undefined;
  #planned: ReturnType<typeof setTimeout> | undefined;
  readonly #leaving = new Set<ReturnType<typeof setTimeout>>();
  /** The number of the newest request. */
  #requests = 0;

  constructor(options: ClientOptions) {
    super();
    this.#options = options;
    this.#inbox = new Inbox(
      (message) => this.#message(message),
      () => {
        for (const subscription of this.#subscriptions.values()) subscription.distrust();
      },
      options.maxQueuedBytes,
    );
    for (const event of BACK) globalThis.addEventListener?.(event, this.#back);
    if (options.signal?.aborted) this.close();
    else options.signal?.addEventListener("abort", this.close, { once: true });
  }

  /** How the connection is doing. */
  get state(): ConnectionState {
    return this.#state;
  }

  /**
   * Follows a workstream; the first page and what follows come as the subscription's `lines`.
   *
   * @throws Error when the client is closed, or the workstream is followed already.
   */
  subscribe(workstream: string, options: { limit?: number } = {}): Subscription {
    if (this.#state === "closed") throw new Error("the client is closed");
    if (this.#subscriptions.has(workstream)) throw new Error(`${workstream} is followed already`);
    const state = () => this.#state;
    const link: Link = {
      get state() {
        return state();
      },
      send: (message) => this.#send(message, subscription),
      leave: (subscription) => this.#leave(subscription),
      id: () => String(++this.#requests),
    };
    const subscription: Subscription = new Subscription(workstream, link, options.limit);
    this.#subscriptions.set(workstream, subscription);
    if (this.#scope.includes(workstream)) {
      // Later, so that the caller can listen first.
      queueMicrotask(() => this.#state === "open" && subscription.take({ type: "connected" }));
    } else {
      // The connection's scope was fixed when it was made: a new one takes over from it.
      queueMicrotask(() => this.#connect());
    }
    return subscription;
  }

  /** Tries to connect now, instead of when the next attempt is due. */
  retry(): void {
    if (this.#state === "closed" || this.#connection !== undefined) return;
    this.#failures = 0;
    this.#refusals = 0;
    this.#connect();
  }

  /** Closes the connection and every subscription. */
  close = (): void => {
    if (this.#state === "closed") return;
    this.#setState("closed");
    this.#abort.abort();
    const timers = [this.#again, this.#planned, ...this.#leaving, ...this.#old.values()];
    for (const timer of timers) clearTimeout(timer);
    for (const event of BACK) globalThis.removeEventListener?.(event, this.#back);
    this.#options.signal?.removeEventListener("abort", this.close);
    for (const connection of [this.#connection, this.#next, ...this.#old.keys()]) {
      connection?.close();
    }
    this.#inbox.clear();
    for (const subscription of [...this.#subscriptions.values()]) subscription.close();
  };

  /** What stands must show that it lives; what does not is tried now. */
  #back = ({ type }: Event): void => {
    if (type === "visibilitychange" && globalThis.document?.hidden) return;
    if (this.#connection !== undefined) this.#connection.ping();
    // A network that comes and goes must not take the distances between attempts away.
    else if (performance.now() > this.#tried + BACK_APART_MS) this.#connect();
  };

  #leave(subscription: Subscription): void {
    const { workstream } = subscription;
    if (this.#subscriptions.get(workstream) !== subscription) return;
    this.#subscriptions.delete(workstream);
    const connection = this.#connection;
    if (connection === undefined || this.#state === "closed") return;
    // A request to deliver no more could overtake one that follows the workstream again.
    const wanted = () => !this.#subscriptions.has(workstream);
    const message = { action: "sendLogs", workstream, follow: false, limit: 1 } as const;
    const timer = setTimeout(() => {
      this.#leaving.delete(timer);
      if (connection === this.#connection && wanted()) connection.send(message, wanted);
    }, LEAVE_MS);
    this.#leaving.add(timer);
  }

  /** Makes a connection; it takes over once it stands. */
  async #connect(): Promise<void> {
    if (this.#connecting || this.#state === "closed") return;
    if (this.#subscriptions.size === 0) return;
    const early = this.#options.workstreams ?? [];
    const followed = [...this.#subscriptions.values()].filter(({ refused }) => !refused);
    const all = [...new Set([...followed.map((s) => s.workstream), ...early])];
    const workstreams = all.slice(0, Math.max(MAX_SCOPE, followed.length));
    clearTimeout(this.#again);
    this.#connecting = true;
    this.#tried = performance.now();
    const { signal } = this.#abort;
    let connection: Connection | undefined;
    try {
      const { url, token } = this.#options;
      const address = new URL(
        await within(TOKEN_MS, "address", signal, () => (typeof url === "string" ? url : url())),
      );
      const fresh = await within(TOKEN_MS, "token", signal, (limited) =>
        token({ workstreams, signal: limited }),
      );
      connection = await this.#open(address, fresh, signal);
      this.#connecting = false;
      this.#takeOver(connection, workstreams);
    } catch (error) {
      this.#connecting = false;
      this.#next = undefined;
      if (!signal.aborted) this.#failed(error);
    }
    // A workstream that was added meanwhile is outside the new connection's scope.
    const added = [...this.#subscriptions.values()].some(
      ({ workstream, refused }) => !refused && !workstreams.includes(workstream),
    );
    if (added && connection !== undefined) this.#connect();
  }

  /** One handshake. A browser cannot see why one fails: whether anyone is there is asked apart. */
  #open(address: URL, token: string, signal: AbortSignal): Promise<Connection> {
    const url = new URL(address);
    url.searchParams.set("token", token);
    const socket = new (this.#options.WebSocket ?? globalThis.WebSocket)(url);
    const connection: Connection = new Connection(socket, () => this.#dead(connection));
    this.#next = connection;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        socket.close();
        reject(new Error("the handshake took too long"));
      }, HANDSHAKE_MS);
      socket.addEventListener("open", () => {
        clearTimeout(timer);
        resolve(connection);
      });
      socket.addEventListener("message", ({ data }) => this.#inbox.put(data));
      socket.addEventListener("error", () => {});
      socket.addEventListener("close", async () => {
        clearTimeout(timer);
        if (this.#connection === connection) this.#lost();
        if (this.#next !== connection) return;
        const there = await isReachable(address, signal);
        reject(there ? new Refused("the handshake was refused") : new Error(UNREACHABLE));
      });
      if (signal.aborted) socket.close();
    });
  }

  #takeOver(connection: Connection, workstreams: string[]): void {
    const old = this.#connection;
    this.#connection = connection;
    this.#proven = false;
    this.#next = undefined;
    this.#scope = workstreams;
    if (!connection.open) {
      this.#lost();
      return;
    }
    if (old !== undefined) {
      const close = () => {
        this.#old.delete(old);
        old.close();
      };
      this.#old.set(old, setTimeout(close, OVERLAP_MS));
    }
    clearTimeout(this.#planned);
    this.#planned = setTimeout(() => this.#connect(), RECONNECT_MS * (0.95 + Math.random() / 20));
    this.#setState("open");
    for (const workstream of workstreams) {
      this.#subscriptions.get(workstream)?.take({ type: "connected" });
    }
    // The way may be blocked although the handshake went through.
    connection.ping();
  }

  /** Nothing comes on a connection any more; whether its socket ever closes is not waited for. */
  #dead(connection: Connection): void {
    if (this.#connection === connection) this.#lost();
    else connection.close();
  }

  /** The connection is gone. */
  #lost(): void {
    this.#connection?.close();
    this.#connection = undefined;
    this.#scope = [];
    clearTimeout(this.#planned);
    if (this.#state === "closed") return;
    this.#cuts++;
    this.#setState("stale");
    for (const subscription of this.#subscriptions.values()) {
      subscription.take({ type: "disconnected" });
    }
    this.#wait();
  }

  #failed(error: unknown): void {
    this.#failures++;
    this.#refusals = error instanceof Refused ? this.#refusals + 1 : 0;
    const denied = error instanceof DeniedError;
    if (this.#connection !== undefined) {
      if (denied) this.#refuse(error.message);
    } else if (denied || this.#refusals >= TRIES) this.#setState("denied");
    else if (this.#failures >= TRIES && this.#refusals === 0) this.#setState("unreachable");
    this.emit("failed", { error, retryInMs: this.#wait() });
  }

  /** Adding workstreams to an open connection was denied; it keeps the ones that it has. */
  #refuse(message: string): void {
    for (const subscription of this.#subscriptions.values()) {
      const { workstream } = subscription;
      if (this.#scope.includes(workstream)) continue;
      const error = { type: "error", workstream, code: "forbidden", message } as const;
      subscription.take({ type: "message", message: error });
    }
  }

  /** Connects again after a while, longer with each failure. */
  #wait(): number {
    const i = Math.min(Math.max(this.#failures + this.#cuts - 1, 0), CONNECT_AGAIN_MS.length - 1);
    const delay = (CONNECT_AGAIN_MS[i] as number) * (0.5 + Math.random());
    clearTimeout(this.#again);
    this.#again = setTimeout(() => this.#connect(), delay);
    return delay;
  }

  #send(message: ClientMessage, subscription: Subscription): void {
    if (message.action === "ping") this.#connection?.ping(subscription);
    else {
      const { workstream } = subscription;
      const wanted = () => this.#subscriptions.get(workstream) === subscription;
      this.#connection?.send(message, wanted);
    }
  }

  #message(message: Message): Promise<unknown>[] {
    // The handshake alone proves little; a first message proves that the way is clear. Those that
    // follow say nothing of the next connection, whose attempts keep their distances.
    if (!this.#proven) {
      this.#proven = true;
      this.#failures = 0;
      this.#refusals = 0;
      this.#cuts = 0;
    }
    let waits: Promise<unknown>[] = [];
    // Who asked later than this answers hears of the next one.
    const hears = message.type === "pong" ? this.#connection?.pong() : undefined;
    for (const subscription of this.#subscriptions.values()) {
      if (hears?.has(subscription) === false) continue;
      const theirs = "workstream" in message && message.workstream !== undefined;
      if (theirs && message.workstream !== subscription.workstream) continue;
      waits = waits.concat(subscription.take({ type: "message", message }));
    }
    return waits;
  }

  #setState(state: ConnectionState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.emit("state", state);
    for (const subscription of this.#subscriptions.values()) subscription.linkChanged();
  }
}

/** Connects; the first attempt is made with the first subscription. */
export const connect = (options: ClientOptions): LogClient => new LogClient(options);
