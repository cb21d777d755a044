import { readFileSync } from "node:fs";
import { AwsClient } from "aws4fetch";
import type { LogEvent } from "ralph-logs";

interface Target {
  endpoint: string;
  viewer: string;
  outputs: { [name: string]: { value: string } | string };
}

/** The local cloud that `ralph local` runs, spoken to as AWS is: what no viewer can bring about. */
export class Cloud {
  readonly viewer: string;
  readonly #endpoint: string;
  readonly #outputs: Target["outputs"];
  readonly #streams = new Set<string>();
  readonly #aws = new AwsClient({
    accessKeyId: "test",
    secretAccessKey: "test",
    region: "us-east-1",
    // A refused request is a failed test, not one to make again.
    retries: 0,
  });

  /** @param file `cloud.json` in the local cloud's scratch folder */
  constructor(file: string) {
    const target: Target = JSON.parse(readFileSync(file, "utf8"));
    this.viewer = target.viewer;
    this.#endpoint = target.endpoint;
    this.#outputs = target.outputs;
  }

  /** Writes events into a task's log stream, as the awslogs driver does, in batches as AWS takes. */
  async write(stream: string, events: LogEvent[]): Promise<void> {
    const logGroupName = this.#output("log_group");
    const logStreamName = `worker/worker/${stream}`;
    if (!this.#streams.has(stream)) {
      await this.#json("logs", "Logs_20140328.CreateLogStream", { logGroupName, logStreamName });
      this.#streams.add(stream);
    }
    let batch: { timestamp: number; message: string }[] = [];
    let size = 0;
    const flush = async () => {
      if (batch.length === 0) return;
      const body = { logGroupName, logStreamName, logEvents: batch };
      await this.#json("logs", "Logs_20140328.PutLogEvents", body);
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

  /** Drops the connections that follow a workstream, as the gateway may at any time. */
  async drop(workstream: string): Promise<number> {
    const { Items = [] } = (await this.#json("dynamodb", "DynamoDB_20120810.Query", {
      TableName: this.#output("connections_table"),
      KeyConditionExpression: "pk = :pk AND begins_with(sk, :sk)",
      ExpressionAttributeValues: { ":pk": { S: `WS#${workstream}` }, ":sk": { S: "CONN#" } },
    })) as { Items?: { sk: { S: string } }[] };
    const api = `${this.#output("websocket_api_id")}/${this.#output("websocket_stage")}`;
    for (const { sk } of Items) {
      const id = encodeURIComponent(sk.S.slice("CONN#".length));
      const url = `${this.#endpoint}/_aws/execute-api/${api}/@connections/${id}`;
      const response = await this.#aws.fetch(url, {
        method: "DELETE",
        aws: { service: "execute-api" },
      });
      if (!response.ok) throw new Error(`DELETE @connections: ${response.status}`);
    }
    return Items.length;
  }

  /** Notes where a run stands, as is done when its task never wrote a line. */
  async noteRun(workstream: string, run: string, state: string, reason: string): Promise<void> {
    const now = Date.now();
    await this.#json("dynamodb", "DynamoDB_20120810.PutItem", {
      TableName: this.#output("connections_table"),
      Item: {
        pk: { S: `WS#${workstream}` },
        sk: { S: `RUN#${run}` },
        attempt: { N: String(Number(run.slice(27))) },
        startedAt: { N: String(now) },
        lastSeq: { N: "0" },
        lastTs: { N: "0" },
        state: { S: state },
        stateRank: { N: state === "starting" ? "0" : "2" },
        reason: { S: reason },
        expiresAt: { N: String(Math.floor(now / 1_000) + 3_600) },
      },
    });
  }

  #output(name: string): string {
    const output = this.#outputs[name];
    const value = typeof output === "object" ? output.value : output;
    if (value === undefined) throw new Error(`there is no output ${name}`);
    return value;
  }

  async #json(service: string, target: string, body: object): Promise<unknown> {
    const version = service === "logs" ? "1.1" : "1.0";
    const response = await this.#aws.fetch(`${this.#endpoint}/`, {
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
