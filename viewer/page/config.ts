import { connect, DeniedError, type LogClient, type TokenRequest } from "ralph-logs";
import { secret } from "./secret.ts";

/** The settings from the host that serves the page, in `config.json` beside `index.html`. */
export interface PageConfig {
  /** `wss://…`, without a token. */
  websocketUrl: string;
  /** Where the page gets its tokens: POST `{"workstreams":[…]}`, answer `{"token":"…"}`. */
  tokenEndpoint: string;
  /** The workstreams to offer. */
  workstreams: string[];
  /** How a person gets another workstream offered; absent: an address can name any. */
  otherWorkstreams?: string;
}

/** What `ralph local` and `ralph view` answer to a request without their secret, beside 401. */
const CHALLENGE = 'Bearer realm="ralph"';

/** The token endpoint wants a secret, which only the link that it printed can bring. */
export class NoSecretError extends DeniedError {
  override name = "NoSecretError";

  /** @param had whether there was one, of an earlier start for example */
  constructor(had: boolean) {
    const why = had
      ? "The secret of this page is no longer valid."
      : "This page was opened without its secret.";
    super(`${why} Open the link that “ralph” printed, with all that follows the #.`);
  }
}

/** How long the host may take to answer. */
const CONFIG_MS = 5_000;
/** Longest wait before a configuration that could not be read is read again. */
const AGAIN_MS = 30_000;

/** Reads `config.json`; the error says what is wrong with it. */
export async function readConfig(): Promise<PageConfig> {
  const signal = AbortSignal.timeout(CONFIG_MS);
  // The browser's own words for these are not for people.
  const failed = (why: string) => () => {
    const late = `config.json: no answer after ${CONFIG_MS / 1_000} s`;
    throw new Error(signal.aborted ? late : why);
  };
  const response = await fetch("config.json", { cache: "no-store", signal }).catch(
    failed("config.json: the server cannot be reached"),
  );
  if (!response.ok) throw new Error(`config.json: the server answered ${response.status}`);
  const config: Partial<PageConfig> = await response
    .json()
    .catch(failed("config.json is not JSON"));
  const { websocketUrl, tokenEndpoint, workstreams, otherWorkstreams } = config;
  if (typeof websocketUrl !== "string" || !/^wss?:\/\//.test(websocketUrl)) {
    throw new Error("config.json: websocketUrl must begin with wss:// or ws://");
  }
  if (typeof tokenEndpoint !== "string") {
    throw new Error("config.json: tokenEndpoint must be a path or a URL");
  }
  const list = Array.isArray(workstreams) ? workstreams.filter(isWorkstream) : [];
  const others = typeof otherWorkstreams === "string" ? { otherWorkstreams } : {};
  return { websocketUrl, tokenEndpoint, workstreams: list, ...others };
}

/** Reads the configuration until that succeeds; `failed` hears why it did not, and when it is read next. */
export async function firstConfig(
  failed: (why: string, retryInMs: number) => void,
): Promise<PageConfig> {
  for (let wait = 1_000; ; wait = Math.min(wait * 2, AGAIN_MS)) {
    try {
      return await readConfig();
    } catch (error) {
      failed(error instanceof Error ? error.message : String(error), wait);
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
}

/**
 * How to connect as the configuration says. After a failed attempt it is read again, for the gateway may
 * have moved; if the host does not answer, what is known stays.
 */
export function connectBy(first: PageConfig): LogClient {
  let config = first;
  let failed = false;
  const client = connect({
    url: async () => {
      if (failed) config = await readConfig().catch(() => config);
      return config.websocketUrl;
    },
    token: (request) => tokensFrom(config.tokenEndpoint)(request),
    workstreams: config.workstreams,
  });
  client.on("failed", () => {
    failed = true;
  });
  return client;
}

/** Gets tokens from the configured endpoint. */
export function tokensFrom(endpoint: string): (request: TokenRequest) => Promise<string> {
  return async ({ workstreams, signal }) => {
    const headers: { [name: string]: string } = { "content-type": "application/json" };
    const bearer = secret();
    if (bearer !== undefined) headers.authorization = `Bearer ${bearer}`;
    const response = await fetch(endpoint, {
      method: "POST",
      headers,
      body: JSON.stringify({ workstreams }),
      signal,
    });
    if (response.headers.get("www-authenticate") === CHALLENGE) {
      throw new NoSecretError(bearer !== undefined);
    }
    if (response.status === 401 || response.status === 403) {
      throw new DeniedError(`the token endpoint answered ${response.status}`);
    }
    if (!response.ok) throw new Error(`the token endpoint answered ${response.status}`);
    const { token } = await response.json();
    if (typeof token !== "string") throw new Error("the token endpoint gave no token");
    return token;
  };
}

/** Whether a text is a workstream id. */
export const isWorkstream = (text: unknown): text is string =>
  typeof text === "string" && /^[a-z0-9][a-z0-9-]{0,47}$/.test(text);
