import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { mintToken, tokenEndpoint } from "../../client/examples/mint-token.ts";

// HS256 is deterministic: the same keys, grant, time and id give the same token. The Rust side
// verifies this very file (protocol/tests/jose_token.rs), so what the example mints, the
// authorizer takes.
const FIXTURE = new URL("../../../protocol/tests/jose-token.json", import.meta.url);

test("the example mints the token that the Rust side verifies", async () => {
  const { keys, environment, user, workstreams, now, id, token } = JSON.parse(
    readFileSync(FIXTURE, "utf8"),
  );
  expect(await mintToken(keys, { user, workstreams, environment }, now, id)).toBe(token);
});

test("a token that would make the handshake's URL too long is not minted", async () => {
  const keys = { current: { kid: "k".repeat(26), secret: "s".repeat(32) }, previous: null };
  const mint = (user: string) =>
    mintToken(keys, { user, workstreams: Array(50).fill("w".repeat(48)), environment: "dev" });
  expect((await mint("u".repeat(128))).length).toBeLessThanOrEqual(3_900);
  await expect(mint("u".repeat(300))).rejects.toThrow("name fewer workstreams");
});

test("the endpoint gives tokens only for what the user may see", async () => {
  const keys = { current: { kid: "k1", secret: "s".repeat(32) }, previous: null };
  const ask = (body: string, session?: { user: string; workstreams: string[] }) =>
    tokenEndpoint(
      new Request("http://x/", { method: "POST", body }),
      keys,
      "dev",
      async () => session,
    );
  const ada = { user: "ada", workstreams: ["docs", "demo"] };
  const both = '{"workstreams":["docs","secret"]}';
  expect((await ask(both)).status).toBe(401);
  expect((await ask("oops", ada)).status).toBe(400);
  expect((await ask('{"workstreams":["secret"]}', ada)).status).toBe(403);
  const { token } = (await (await ask(both, ada)).json()) as { token: string };
  const claims = JSON.parse(atob(token.split(".")[1] as string));
  expect(claims).toMatchObject({ iss: "ralph", aud: "ralph/dev", sub: "ada", ws: ["docs"] });
  expect(claims.exp).toBeLessThanOrEqual(Date.now() / 1_000 + 60);
});
