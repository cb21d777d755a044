// A back end mints a token for a user who may see these workstreams; the browser connects with it.
// The rules are those of protocol/src/token.rs: HS256, good for one handshake, a minute at most.
import { SignJWT } from "jose";

/** The secret `ralph/<env>/websocket-signing-keys`, read from Secrets Manager by the back end. */
export interface SigningKeys {
  current: { kid: string; secret: string };
  previous: { kid: string; secret: string } | null;
}

/** Who may see what, decided by the back end's own session. */
export interface Grant {
  /** The user, 1 to 128 bytes; it shows in the gateway's logs. */
  user: string;
  /** 1 to 50 workstreams, or `*` for all of the environment. */
  workstreams: string[] | "*";
  /** `dev`, `prod`, … */
  environment: string;
}

/** The URL of a handshake may have 4,096 bytes: this is what the longest leaves for the token. */
const MAX_LENGTH = 3_900;

/** A token that is good for one handshake within the next 30 seconds. */
export async function mintToken(
  keys: SigningKeys,
  grant: Grant,
  now = Math.floor(Date.now() / 1_000),
  id: string = crypto.randomUUID(),
): Promise<string> {
  const { kid, secret } = keys.current;
  const token = await new SignJWT({ ws: grant.workstreams })
    .setProtectedHeader({ alg: "HS256", kid })
    .setIssuer("ralph")
    .setAudience(`ralph/${grant.environment}`)
    .setSubject(grant.user)
    .setJti(id)
    .setExpirationTime(now + 30)
    .sign(new TextEncoder().encode(secret));
  if (token.length > MAX_LENGTH) throw new Error("the token is too long: name fewer workstreams");
  return token;
}

/**
 * The endpoint that the page and the examples call: `POST {"workstreams":[…]}`, answer
 * `{"token":"…"}`. Works with every server that speaks `Request` and `Response`.
 */
export async function tokenEndpoint(
  request: Request,
  keys: SigningKeys,
  environment: string,
  /** Your own session and your own rules: who asks, and which workstreams they may see. */
  whoMay: (request: Request) => Promise<{ user: string; workstreams: string[] } | undefined>,
): Promise<Response> {
  const session = await whoMay(request);
  if (session === undefined) return new Response("sign in first", { status: 401 });
  const asked: unknown = await request.json().catch(() => undefined);
  const list = (asked as { workstreams?: unknown } | undefined)?.workstreams;
  if (!Array.isArray(list) || list.length === 0) {
    return new Response("workstreams must be a list of names", { status: 400 });
  }
  const workstreams = list.filter((name) => session.workstreams.includes(name)).slice(0, 50);
  if (workstreams.length === 0) return new Response("not your workstreams", { status: 403 });
  const token = await mintToken(keys, { user: session.user, workstreams, environment });
  return Response.json({ token }, { headers: { "cache-control": "no-store" } });
}
