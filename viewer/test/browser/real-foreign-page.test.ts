import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { type Attack, attack, type Init, type Outcome } from "./attack.ts";
import { Cloud } from "./cloud.ts";
import { launch } from "./launch.ts";
import { listeningPorts } from "./ports.ts";
import { PAGE, Witness } from "./witness.ts";

// Pages of other sites, open in a real browser while the local cloud runs: each tries every port
// that a process of the local cloud listens on, and nothing comes of it. RALPH_PID is the process of
// `ralph local`; the rest as in real-cloud.test.ts. Needs Linux, for /proc.

const cloud = new Cloud(process.env.RALPH_CLOUD as string, process.env.RALPH as string);
const link = new URL(process.env.RALPH_VIEW_URL as string);
const [, pageSecret = "", pageWorkstream = ""] = link.hash.match(/^#secret=(\w+)\/w\/(.+)$/) ?? [];
const CANARY = `canary-${crypto.randomUUID()}`;
const WORKSTREAM = `attacked-${process.pid}`;
/** A name that the attacker owns and that leads to this machine. */
const NAME = "evil.example";
const secretId = "ralph/dev/anthropic-keys";

let browser: Browser;
/** Serves attacking pages. */
let site: Witness;
/** Is attacked as the others are, and refuses nothing. */
let witness: Witness;
/** The ports under attack, with who listens there. */
const targets = new Map<number, string>();

beforeAll(async () => {
  browser = await launch([
    `--host-resolver-rules=MAP ${NAME} 127.0.0.1`,
    // Chromium can keep public pages from this machine by itself. Other browsers do not, and here
    // it would only hide what the servers do.
    "--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets," +
      "BlockInsecurePrivateNetworkRequests,PrivateNetworkAccessSendPreflights",
  ]);
  site = await Witness.start();
  witness = await Witness.start();
  await put(CANARY);
  const gateway = await cloud.sleepingTask(WORKSTREAM);
  await cloud.view("docs");
  await functionsAnswer();
  for (const [port, { program }] of listeningPorts([
    Number(process.env.RALPH_PID),
    ...cloud.views,
  ])) {
    targets.set(port, program);
  }
  // A user who is not root cannot see what the worker listens on: it is not dumpable.
  targets.set(Number(gateway.port), "the worker");
}, 200_000);

afterAll(async () => {
  await browser?.close();
  await site?.stop();
  await witness?.stop();
  await cloud.close();
  await cloud.ralph("stop", WORKSTREAM);
}, 200_000);

const put = (value: string) =>
  cloud.call("secretsmanager", "secretsmanager.PutSecretValue", {
    SecretId: secretId,
    SecretString: JSON.stringify({ keys: [{ id: "canary", value }] }),
  });

/** Opens a WebSocket as a viewer does: the authorizer and connect have to answer. */
async function functionsAnswer(): Promise<void> {
  const token = (await cloud.ralph("token", "docs")).trim();
  const url = `${cloud.endpoint.replace("http", "ws")}${cloud.socketPath}?token=${token}`;
  const socket = new WebSocket(url);
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
  socket.close();
}

/** What an attack could have changed. */
async function state() {
  const ecs = (desiredStatus: string) =>
    cloud.call("ecs", "AmazonEC2ContainerServiceV20141113.ListTasks", {
      cluster: cloud.output("cluster"),
      desiredStatus,
    });
  const secret = await cloud.call("secretsmanager", "secretsmanager.GetSecretValue", {
    SecretId: secretId,
  });
  const tables = await cloud.call("dynamodb", "DynamoDB_20120810.ListTables", {});
  const users = (await cloud.users()).replace(/<RequestId>.*?<\/RequestId>/, "");
  return { secret, tables, users, running: await ecs("RUNNING"), stopped: await ecs("STOPPED") };
}

const amz = (key?: string): { [name: string]: string } =>
  key === undefined
    ? {}
    : {
        authorization: `AWS4-HMAC-SHA256 Credential=${key}/20300101/us-east-1/any/aws4_request, SignedHeaders=host, Signature=${"0".repeat(64)}`,
      };
const post = (path: string, init: Init): Attack => ({ how: "fetch", method: "POST", path, init });
const get = (path: string, init?: Init): Attack => ({
  how: "fetch",
  method: "GET",
  path,
  ...(init && { init }),
});

function attacks(): Attack[] {
  const config = JSON.stringify({ "lambda_svc.LAMBDA_EXECUTOR": "docker" });
  // With the `=` between a field's name and its value, this is JSON too.
  const [name, value] = [`${config.slice(0, -1)},"x":"`, '"}'];
  const runTask = {
    cluster: cloud.output("cluster"),
    taskDefinition: cloud.output("task_definition"),
    launchType: "FARGATE",
    networkConfiguration: {
      awsvpcConfiguration: { subnets: ["subnet-1"] },
    },
  };
  const workstreams = JSON.stringify({ workstreams: [pageWorkstream] });
  const runtime = "/2018-06-01/runtime/invocation";
  const invoke = "/2015-03-31/functions/ralph-dev-task-events/invocations";
  const plain = { "content-type": "text/plain" };
  const json = { "content-type": "application/json" };
  return [
    // Of AWS's APIs, read a secret and run code, unsigned and with keys that MiniStack takes for root.
    ...[undefined, "test", "000000000000"].flatMap((key) => [
      post("/", {
        headers: {
          ...amz(key),
          "content-type": "application/x-amz-json-1.1",
          "x-amz-target": "secretsmanager.GetSecretValue",
        },
        body: JSON.stringify({ SecretId: secretId }),
      }),
      post("/", {
        headers: {
          ...amz(key),
          "content-type": "application/x-amz-json-1.1",
          "x-amz-target": "AmazonEC2ContainerServiceV20141113.RunTask",
        },
        body: JSON.stringify(runTask),
      }),
      post(invoke, { headers: { ...amz(key), ...json }, body: "{}" }),
    ]),
    post(invoke, { mode: "no-cors", headers: plain, body: "{}" }),
    get("/?Action=ListUsers&Version=2010-05-08&AWSAccessKeyId=test"),
    { how: "img", path: "/?Action=CreateUser&UserName=m&Version=2010-05-08&AWSAccessKeyId=test" },
    // Take an invocation away from a function, answer it, or let the function fail.
    get(`${runtime}/next`),
    get(`${runtime}/next`, { mode: "no-cors" }),
    get(`${runtime}/x/response`),
    post(`${runtime}/x/response`, { mode: "no-cors", headers: plain, body: "{}" }),
    post("/2018-06-01/runtime/init/error", { mode: "no-cors", headers: plain, body: "{}" }),
    // A token of the page's server.
    post("/token", { headers: json, body: workstreams }),
    post("/token", { headers: { ...json, authorization: "Bearer x" }, body: workstreams }),
    post("/token", { headers: plain, body: workstreams }),
    post("/token", { mode: "no-cors", headers: plain, body: workstreams }),
    // The model, by the worker's gateway.
    post("/v1/messages", { headers: { ...json, "x-api-key": "x" }, body: "{}" }),
    post("/v1/messages", { mode: "no-cors", headers: plain, body: "{}" }),
    get("/v1/models"),
    // A WebSocket without a token that is good.
    ...["/", cloud.socketPath, `${cloud.socketPath}?token=x`].map(
      (path): Attack => ({ how: "socket", path }),
    ),
    // Whatever a page can load.
    ...["/", "/config.json", "/_ministack/health"].flatMap((path): Attack[] => [
      get(path),
      get(path, { mode: "no-cors" }),
      { how: "img", path },
      { how: "script", path },
      { how: "iframe", path },
    ]),
    // The control paths last: nothing is left after them.
    ...["/_ministack/config", "/_ministack/reset"].flatMap((path): Attack[] => [
      post(path, { headers: json, body: config }),
      post(path, { mode: "no-cors", headers: plain, body: config }),
      { how: "form", enctype: "multipart/form-data", path, name: "a", value: "b" },
      { how: "form", enctype: "text/plain", path, name, value },
    ]),
  ];
}

/** What a page gets from a server that refuses nothing; `sent` where it may not read the answer. */
const SUCCESS: { [how in Attack["how"]]: Outcome["result"][] } = {
  fetch: [200, "sent"],
  form: ["sent"],
  iframe: ["sent"],
  img: ["loaded"],
  script: ["loaded"],
  socket: ["opened"],
};

/** What the record of a server should hold after these attacks. */
const record = (all: Attack[]) =>
  all
    .map((each) => {
      const method = { form: "POST", socket: "socket" }[each.how as string] ?? "GET";
      return `${each.how === "fetch" ? each.method : method} ${each.path}`;
    })
    .sort();

/** Whether a page that learned this learned or did nothing. */
const isHarmless = ({ result }: Outcome) =>
  result === "failed" ||
  result === "sent" ||
  (typeof result === "number" && result >= 400 && result < 500);

/** The attacks on these bases by the page at an address. */
async function attackFrom(address: string, bases: string[], rebound = false): Promise<Outcome[]> {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    // The name led to the attacker's own server when the page was loaded.
    const ours = { body: PAGE, contentType: "text/html" };
    if (rebound) await page.route(address, (route) => route.fulfill(ours));
    await page.goto(address);
    await page.unrouteAll();
    return await page.evaluate(attack, { bases, attacks: attacks() });
  } finally {
    await context.close();
  }
}

/** Attacks everything from one place, and looks at what came of it. */
async function isHeldOff(from: (bases: number[]) => Promise<Outcome[]>) {
  const before = await state();
  witness.arrived.length = 0;
  let over = false;
  const attacked = from([...targets.keys(), witness.port]).finally(() => {
    over = true;
  });
  // Whatever the pages do, functions get their invocations.
  const answers = new Set<string>();
  do {
    answers.add(await functionsAnswer().then(() => "a connection", String));
  } while (!over);
  const outcomes = await attacked;
  expect.soft([...answers]).toEqual(["a connection"]);

  // The attacks are real: a server that refuses nothing gets all of them, and answers.
  const all = attacks();
  const isOurs = ({ base }: Outcome) => portOf(base) === witness.port;
  const ours = outcomes.filter(isOurs);
  expect(ours.length).toBe(all.length);
  expect(witness.arrived.filter((line) => line !== "GET /favicon.ico").sort()).toEqual(record(all));
  for (const { attack, result } of ours) {
    expect(SUCCESS[attack.how], JSON.stringify(attack)).toContain(result);
  }

  const others = outcomes.filter((outcome) => !isOurs(outcome));
  expect(others.length).toBe(all.length * targets.size);
  const secrets = [CANARY, pageSecret, cloud.secretKey, '"token"'];
  const isLeak = ({ text }: Outcome) => secrets.some((secret) => text.includes(secret));
  const holes = others.filter((each) => !isHarmless(each) || isLeak(each));
  expect.soft(holes.map(described)).toEqual([]);

  expect.soft(await state().catch(String)).toEqual(before);
  expect(JSON.stringify(before.secret)).toContain(CANARY);
}

function described({ base, attack, result, text }: Outcome): string {
  const listener = targets.get(portOf(base));
  return `${listener}: ${JSON.stringify(attack)}: ${result} ${text.slice(0, 100)}`;
}

const portOf = (base: string) => Number(new URL(base).port);

test("the ports under attack are the cloud's, the pages', a function's and the worker's", () => {
  const cloudPort = Number(new URL(cloud.endpoint).port);
  const server = targets.get(cloudPort);
  expect(server).toMatch(/^python/);
  expect(targets.get(Number(link.port))).toBe("ralph");
  expect(pageSecret).not.toBe("");
  const count = (program?: string) => [...targets.values()].filter((own) => own === program).length;
  // The authorizer's, connect's; `ralph local`, `ralph view`.
  expect(count(server)).toBeGreaterThanOrEqual(3);
  expect(count("ralph")).toBe(2);
  expect(count("the worker")).toBe(1);
});

test("a page on another port of this machine gets nothing and changes nothing", async () => {
  const bases = (ports: number[]) => ports.map((port) => `http://127.0.0.1:${port}`);
  await isHeldOff((ports) => attackFrom(`http://127.0.0.1:${site.port}/attack`, bases(ports)));
}, 200_000);

test("a page of another site gets nothing and changes nothing", async () => {
  const bases = (ports: number[]) => ports.map((port) => `http://localhost:${port}`);
  await isHeldOff((ports) => attackFrom(`http://${NAME}:${site.port}/attack`, bases(ports)));
}, 200_000);

test("a page whose own name was pointed at this machine gets nothing and changes nothing", async () => {
  await isHeldOff(async (ports) => {
    const pages = ports.map((port) => `http://${NAME}:${port}`);
    return (await Promise.all(pages.map((own) => attackFrom(`${own}/attack`, [own], true)))).flat();
  });
}, 200_000);
