// push-logs as a CDK user would write it for Node: the official SDK, one client, a bounded pool.
import { gunzipSync } from "node:zlib";
import {
  ApiGatewayManagementApiClient,
  GoneException,
  PostToConnectionCommand,
} from "@aws-sdk/client-apigatewaymanagementapi";
import { DynamoDBClient, QueryCommand } from "@aws-sdk/client-dynamodb";
import { NodeHttpHandler } from "@smithy/node-http-handler";

const MAX_FRAME = 32_768;
const IN_FLIGHT = 64;

/** Decodes a subscription payload and packs its lines into frames, by workstream. */
export function frames(event) {
  const batch = JSON.parse(gunzipSync(Buffer.from(event.awslogs.data, "base64")));
  if (batch.messageType !== "DATA_MESSAGE") return new Map();
  const groups = new Map();
  for (const { message } of batch.logEvents) {
    let line;
    try {
      line = JSON.parse(message);
    } catch {
      continue;
    }
    const group = groups.get(line.workstream);
    if (group === undefined) groups.set(line.workstream, [message]);
    else group.push(message);
  }
  const packed = new Map();
  for (const [workstream, lines] of groups) packed.set(workstream, pack(workstream, lines));
  return packed;
}

function pack(workstream, lines) {
  const head = `{"type":"logs","workstream":"${workstream}","source":"live","events":[`;
  const all = [];
  let parts = [];
  let size = 0;
  for (const line of lines) {
    const bytes = Buffer.byteLength(line) + 1;
    if (size + bytes + head.length + 2 > MAX_FRAME && parts.length > 0) {
      all.push(Buffer.from(`${head}${parts.join(",")}]}`));
      parts = [];
      size = 0;
    }
    parts.push(line);
    size += bytes;
  }
  if (parts.length > 0) all.push(Buffer.from(`${head}${parts.join(",")}]}`));
  return all;
}

export function managementClient(endpoint) {
  return new ApiGatewayManagementApiClient({
    endpoint,
    requestHandler: new NodeHttpHandler({ httpAgent: { keepAlive: true, maxSockets: IN_FLIGHT } }),
  });
}

/** Posts a frame to all connections, so many at a time; tells when each was done. */
export async function fanOut(client, connections, frame, done) {
  const waiting = connections.values();
  const worker = async () => {
    for (const id of waiting) {
      try {
        await client.send(new PostToConnectionCommand({ ConnectionId: id, Data: frame }));
        done(id);
      } catch (error) {
        if (!(error instanceof GoneException)) throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
}

const table = new DynamoDBClient({});
const management = managementClient(process.env.RALPH_MANAGEMENT_ENDPOINT);

export async function handler(event) {
  for (const [workstream, packed] of frames(event)) {
    const answer = await table.send(
      new QueryCommand({
        TableName: process.env.RALPH_TABLE,
        KeyConditionExpression: "pk = :pk AND begins_with(sk, :sk)",
        ExpressionAttributeValues: { ":pk": { S: `WS#${workstream}` }, ":sk": { S: "CONN#" } },
        ConsistentRead: true,
      }),
    );
    const connections = (answer.Items ?? []).map((item) => item.sk.S.slice("CONN#".length));
    for (const frame of packed) await fanOut(management, connections, frame, () => {});
  }
}
