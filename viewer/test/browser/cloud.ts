import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { AwsClient } from "aws4fetch";
import type { LogEvent } from "ralph-logs";
import { vi } from "vitest";

const execute = promisify(execFile);

interface Target {
  endpoint: string;
  key: { id: string; secret: string };
  outputs: { [name: string]: { value: string } | string };
}

/** The local cloud that `ralph local` runs, spoken to as AWS is: what no viewer can bring about. */
export class Cloud {
  /** Its scratch folder. */
  readonly scratch: string;
  /** Where AWS's APIs answer. */
  readonly endpoint: string;
  /** The operator's secret key. */
  readonly secretKey: string;
  readonly #outputs: Target["outputs"];
  readonly #streams = new Set<string>();
  readonly #aws: AwsClient;

  readonly #ralph: string;
  readonly #views: ChildProcess[] = [];

  /**
   * @param file `cloud.json` in the local cloud's scratch folder
   * @param ralph the program
   */
  constructor(file: string, ralph: string) {
    const target: Target = JSON.parse(readFileSync(file, "utf8"));
    this.scratch = dirname(file);
    this.#ralph = ralph;
    this.endpoint = target.endpoint;
    this.secretKey = target.key.secret;
    this.#outputs = target.outputs;
    this.#aws = new AwsClient({
      accessKeyId: target.key.id,
      secretAccessKey: target.key.secret,
      region: "us-east-1",
      // A refused request is a failed test, not one to make again.
      retries: 0,
    });
  }

  /**
   * The link that `ralph view` prints for a workstream.
   * @param endpoint where the page reaches the cloud, if not where it listens
   */
  async view(workstream: string, endpoint = this.endpoint): Promise<string> {
    const page = fileURLToPath(new URL("../../dist", import.meta.url));
    const scratch = await this.#seenAt(endpoint);
    const options = ["view", workstream, "--scratch", scratch, "--page", page];
    const child = spawn(this.#ralph, options, { stdio: ["ignore", "pipe", "inherit"] });
    this.#views.push(child);
    for await (const line of createInterface({ input: child.stdout })) {
      const link = line.match(/^viewer +(\S+)$/)?.[1];
      if (link !== undefined) return link;
    }
    throw new Error("`ralph view` ended and printed no link");
  }

  /** A scratch folder of the same cloud, where it listens at this address. */
  async #seenAt(endpoint: string): Promise<string> {
    if (endpoint === this.endpoint) return this.scratch;
    const folder = join(this.scratch, `seen-${new URL(endpoint).port}`);
    await mkdir(folder, { recursive: true });
    const cloud = JSON.parse(await readFile(join(this.scratch, "cloud.json"), "utf8"));
    await writeFile(join(folder, "cloud.json"), JSON.stringify({ ...cloud, endpoint }));
    return folder;
  }

  /** The processes that {@link view} started. */
  get views(): number[] {
    return this.#views.flatMap(({ pid }) => pid ?? []);
  }

  /** Runs the program against this local cloud; what it wrote to standard output. */
  async ralph(...words: string[]): Promise<string> {
    const { stdout } = await execute(this.#ralph, [...words, "--scratch", this.scratch]);
    return stdout;
  }

  /** The path of the WebSocket, without a token. */
  get socketPath(): string {
    return `/_aws/execute-api/${this.output("websocket_api_id")}/${this.output("websocket_stage")}`;
  }

  /** Makes a workstream's task run whose agent does nothing; the gateway that its agent was given. */
  async sleepingTask(workstream: string): Promise<URL> {
    const folder = join(this.scratch, workstream);
    await mkdir(join(this.scratch, "tasks/agents"), { recursive: true });
    const told = join(folder, "gateway");
    const agent = `bash -c 'echo "$ANTHROPIC_BASE_URL" > ${told}; exec sleep 600'`;
    await writeFile(join(this.scratch, "tasks/agents", workstream), agent);
    const repository = join(folder, "repository");
    await mkdir(repository, { recursive: true });
    await writeFile(join(repository, "PROMPT.md"), "Do the next task.\n");
    await writeFile(
      join(repository, "PROGRESS.md"),
      "# Progress\n\n## Status: IN PROGRESS\n\n- [ ] sleep\n",
    );
    const author = ["-c", "user.name=A", "-c", "user.email=a@example.invalid"];
    for (const words of [
      ["init", "--quiet", "--initial-branch=main"],
      ["add", "."],
      [...author, "commit", "--quiet", "--message=Begin"],
    ]) {
      await execute("git", ["-C", repository, ...words]);
    }
    await this.ralph("run", workstream, `file://${repository}`);
    const url = async () => new URL((await readFile(told, "utf8")).trim());
    return vi.waitFor(url, { timeout: 60_000, interval: 100 });
  }

  /** Ends what {@link view} started. */
  async close(): Promise<void> {
    for (const child of this.#views.splice(0)) {
      if (child.exitCode !== null) continue;
      const ended = once(child, "exit");
      child.kill();
      await ended;
    }
  }

  /** Writes events into a task's log stream, as the awslogs driver does, in batches as AWS takes. */
  async write(stream: string, events: LogEvent[]): Promise<void> {
    const logGroupName = this.output("log_group");
    const logStreamName = `worker/worker/${stream}`;
    if (!this.#streams.has(stream)) {
      await this.call("logs", "Logs_20140328.CreateLogStream", { logGroupName, logStreamName });
      this.#streams.add(stream);
    }
    let batch: { timestamp: number; message: string }[] = [];
    let size = 0;
    const flush = async () => {
      if (batch.length === 0) return;
      const body = { logGroupName, logStreamName, logEvents: batch };
      await this.call("logs", "Logs_20140328.PutLogEvents", body);
      batch = [];
      size = 0;
    };
    for (const event of events) {
      const raw = event.type === "raw";
      const message = raw ? (event as { text: string }).text : JSON.stringify(event);
      const bytes = Buffer.byteLength(message) + 26;
      if (batch.length === 10_000 || size + bytes > 1_000_000) await flush();
      const timestamp = typeof event.ts === "number" ? event.ts : Date.parse(event.ts);
      batch.push({ timestamp, message });
      size += bytes;
    }
    await flush();
  }

  /** The highest number of a run that push-logs has seen; 0 before the first. */
  async lastSeq(workstream: string, run: string): Promise<number> {
    const { Item } = (await this.call("dynamodb", "DynamoDB_20120810.GetItem", {
      TableName: this.output("connections_table"),
      Key: { pk: { S: `WS#${workstream}` }, sk: { S: `RUN#${run}` } },
      ConsistentRead: true,
    })) as { Item?: { lastSeq?: { N: string } } };
    return Number(Item?.lastSeq?.N ?? 0);
  }

  /** Drops the connections that follow a workstream, as the gateway may at any time. */
  async drop(workstream: string): Promise<number> {
    const { Items = [] } = (await this.call("dynamodb", "DynamoDB_20120810.Query", {
      TableName: this.output("connections_table"),
      KeyConditionExpression: "pk = :pk AND begins_with(sk, :sk)",
      ExpressionAttributeValues: { ":pk": { S: `WS#${workstream}` }, ":sk": { S: "CONN#" } },
    })) as { Items?: { sk: { S: string } }[] };
    const api = `${this.output("websocket_api_id")}/${this.output("websocket_stage")}`;
    for (const { sk } of Items) {
      const id = encodeURIComponent(sk.S.slice("CONN#".length));
      const url = `${this.endpoint}/_aws/execute-api/${api}/@connections/${id}`;
      const response = await this.#aws.fetch(url, {
        method: "DELETE",
        aws: { service: "execute-api" },
      });
      if (!response.ok) throw new Error(`DELETE @connections: ${response.status}`);
    }
    return Items.length;
  }

  /** Says that a run's task has stopped, as ECS does by an event that its rule hands on. */
  async taskStopped(workstream: string, run: string, stoppedReason: string): Promise<void> {
    const cluster = this.output("cluster");
    const clusterArn = cluster.startsWith("arn:")
      ? cluster
      : `arn:aws:ecs:us-east-1:000000000000:cluster/${cluster}`;
    const taskArn = `${clusterArn.replace(":cluster/", ":task/")}/${crypto.randomUUID().replaceAll("-", "")}`;
    const environment = [
      { name: "RALPH_WORKSTREAM", value: workstream },
      { name: "RALPH_RUN", value: run },
    ];
    const detail = {
      clusterArn,
      taskArn,
      lastStatus: "STOPPED",
      desiredStatus: "STOPPED",
      stopCode: "TaskFailedToStart",
      stoppedReason,
      containers: [{ name: "worker", lastStatus: "STOPPED" }],
      overrides: { containerOverrides: [{ name: "worker", environment }] },
    };
    const event = {
      version: "0",
      id: crypto.randomUUID(),
      "detail-type": "ECS Task State Change",
      source: "aws.ecs",
      account: "000000000000",
      time: new Date().toISOString(),
      region: "us-east-1",
      resources: [taskArn],
      detail,
    };
    // Nobody but ECS may put events of this source on the bus, so the rule's target gets it directly.
    const url = `${this.endpoint}/2015-03-31/functions/ralph-dev-task-events/invocations`;
    const response = await this.#aws.fetch(url, {
      method: "POST",
      body: JSON.stringify(event),
      aws: { service: "lambda" },
    });
    const failed = response.headers.get("x-amz-function-error");
    if (!response.ok || failed !== null) {
      throw new Error(`task-events: ${response.status} ${failed} ${await response.text()}`);
    }
  }

  /** The IAM users, as XML. */
  async users(): Promise<string> {
    const url = `${this.endpoint}/?Action=ListUsers&Version=2010-05-08`;
    const response = await this.#aws.fetch(url, { method: "POST", aws: { service: "iam" } });
    if (!response.ok) throw new Error(`ListUsers: ${response.status}`);
    return response.text();
  }

  /** An output of the root module. */
  output(name: string): string {
    const output = this.#outputs[name];
    const value = typeof output === "object" ? output.value : output;
    if (value === undefined) throw new Error(`there is no output ${name}`);
    return value;
  }

  /** A call of an AWS API that speaks JSON, by the operator. */
  async call(service: string, target: string, body: object): Promise<unknown> {
    const version = service === "logs" ? "1.1" : "1.0";
    const response = await this.#aws.fetch(`${this.endpoint}/`, {
      method: "POST",
      headers: { "content-type": `application/x-amz-json-${version}`, "x-amz-target": target },
      body: JSON.stringify(body),
      aws: { service },
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${target}: ${response.status} ${text}`);
    return text === "" ? {} : JSON.parse(text);
  }
}
