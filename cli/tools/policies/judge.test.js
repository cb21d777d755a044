import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { judge } from "./judge.js";

const TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/runs";
const QUEUE = "arn:aws:sqs:us-east-1:123456789012:failures";
const ANY_OF_EC2 = "arn:aws:ec2:us-east-1:*:*";

const allow = (Action, Resource, Condition) => ({
  Sid: "S",
  Effect: "Allow",
  Action,
  Resource,
  Condition,
});
const policy = (...Statement) => ({ Version: "2012-10-17", Statement });
const equals = (key) => ({ StringEquals: { [key]: "dev" } });

/** What each policy is found to be wrong with. */
const cases = {
  "a policy without a fault": [policy(allow(["dynamodb:GetItem", "dynamodb:Query"], TABLE)), []],
  "an action that does not exist": [
    policy(allow("dynamodb:ReadItem", TABLE)),
    ["there is no action dynamodb:ReadItem", `no action acts on ${TABLE}`],
  ],
  "an action of a service that does not exist": [
    policy(allow("dynamo:GetItem", "*")),
    ["there is no action dynamo:GetItem"],
  ],
  "a wildcard in an action": [policy(allow("dynamodb:*", "*")), ["there is no action dynamodb:*"]],
  "a resource of no type": [
    policy(allow("dynamodb:GetItem", TABLE.replace("table/", "tables/"))),
    [
      "dynamodb:GetItem does not act on arn:aws:dynamodb:us-east-1:123456789012:tables/runs",
      "no action acts on arn:aws:dynamodb:us-east-1:123456789012:tables/runs",
    ],
  ],
  "a resource of another service": [
    policy(allow(["dynamodb:GetItem", "sqs:SendMessage"], [TABLE])),
    [`sqs:SendMessage does not act on ${TABLE}`],
  ],
  "a resource that no action takes, beside one that all take": [
    policy(allow("dynamodb:GetItem", [TABLE, QUEUE])),
    [`no action acts on ${QUEUE}`],
  ],
  "a resource of a type that the action does not take": [
    policy(allow("states:StartExecution", "arn:aws:states:us-east-1:*:execution:machine:one")),
    [
      "states:StartExecution does not act on arn:aws:states:us-east-1:*:execution:machine:one",
      "no action acts on arn:aws:states:us-east-1:*:execution:machine:one",
    ],
  ],
  "a Region in the ARN of a role": [
    policy(allow("iam:GetRole", "arn:aws:iam:us-east-1:*:role/a")),
    [
      "iam:GetRole does not act on arn:aws:iam:us-east-1:*:role/a",
      "no action acts on arn:aws:iam:us-east-1:*:role/a",
    ],
  ],
  "an action that takes no resource": [
    policy(
      allow(
        ["logs:DescribeLogGroups", "logs:CreateLogGroup"],
        "arn:aws:logs:us-east-1:*:log-group:a",
      ),
    ),
    ["logs:DescribeLogGroups does not act on arn:aws:logs:us-east-1:*:log-group:a"],
  ],
  "a resource that is not an ARN": [
    policy(allow("dynamodb:GetItem", "runs")),
    ["dynamodb:GetItem does not act on runs", "no action acts on runs"],
  ],
  "a statement without a resource": [
    policy(allow("dynamodb:GetItem")),
    ["it names no action or no resource"],
  ],
  "a condition key that does not exist": [
    policy(allow("dynamodb:GetItem", TABLE, equals("dynamodb:LeadingKey"))),
    ["there is no condition key dynamodb:LeadingKey"],
  ],
  "a global condition key that does not exist": [
    policy(allow("dynamodb:GetItem", TABLE, equals("aws:SourceAcount"))),
    ["there is no condition key aws:SourceAcount"],
  ],
  "a global condition key": [
    policy(allow("dynamodb:GetItem", TABLE, equals("aws:SourceAccount"))),
    [],
  ],
  "a condition key of another action": [
    policy(
      allow(
        ["iam:CreateServiceLinkedRole", "iam:DeleteServiceLinkedRole"],
        "arn:aws:iam::*:role/a",
        equals("iam:AWSServiceName"),
      ),
    ),
    ["iam:DeleteServiceLinkedRole does not know the condition key iam:AWSServiceName"],
  ],
  "a tag of the request where no request brings one": [
    policy(
      allow("ec2:RevokeSecurityGroupEgress", ANY_OF_EC2, equals("aws:RequestTag/Environment")),
    ),
    [
      "ec2:RevokeSecurityGroupEgress does not know the condition key aws:RequestTag/Environment",
      "no statement allows ec2:RevokeSecurityGroupEgress on its security-group",
    ],
  ],
  "a tag of a task definition, which AWS does not check": [
    policy(allow("ecs:DeregisterTaskDefinition", "*", equals("aws:ResourceTag/Environment"))),
    ["ecs:DeregisterTaskDefinition does not know the condition key aws:ResourceTag/Environment"],
  ],
  "a subnet that may be made, in a VPC that may not be used": [
    policy(allow("ec2:CreateSubnet", ANY_OF_EC2, equals("aws:RequestTag/Environment"))),
    ["no statement allows ec2:CreateSubnet on its vpc"],
  ],
  "a subnet that may be made in a VPC with a tag": [
    policy(
      allow("ec2:CreateSubnet", ANY_OF_EC2, equals("aws:RequestTag/Environment")),
      allow("ec2:CreateSubnet", ANY_OF_EC2, equals("aws:ResourceTag/Environment")),
    ),
    [],
  ],
  "a part of a WebSocket API, of which the data know less": [
    policy(allow("apigateway:POST", "arn:aws:apigateway:us-east-1::/apis/*/routes*")),
    [],
  ],
  "a part that no API has": [
    policy(allow("apigateway:POST", "arn:aws:apigateway:us-east-1::/api/*")),
    [
      "apigateway:POST does not act on arn:aws:apigateway:us-east-1::/api/*",
      "no action acts on arn:aws:apigateway:us-east-1::/api/*",
    ],
  ],
  "a role's trust": [
    policy({
      ...allow("sts:AssumeRole", undefined, equals("aws:SourceAccount")),
      Principal: { Service: "lambda.amazonaws.com" },
    }),
    [],
  ],
  "a key that a role's trust does not know": [
    policy({
      ...allow("sts:AssumeRole", undefined, equals("ecs:cluster")),
      Principal: { Service: "lambda.amazonaws.com" },
    }),
    ["sts:AssumeRole does not know the condition key ecs:cluster"],
  ],
};

for (const [name, [document, expected]] of Object.entries(cases)) {
  test(name, async () => {
    const found = await judge(document);
    assert.deepEqual(
      found.map((fault) => fault.replace(/^S: /, "")),
      expected,
    );
  });
}

test("the program names the file and the statement of a fault, and fails", () => {
  const file = join(mkdtempSync(join(tmpdir(), "ralph-policies-")), "planted.json");
  writeFileSync(file, JSON.stringify(policy(allow("dynamodb:ReadItem", "*"))));
  const run = spawnSync(process.execPath, ["check.js", file], {
    input: "{}",
    encoding: "utf8",
    cwd: import.meta.dirname,
  });
  assert.equal(run.status, 1);
  assert.match(run.stderr, /^error: planted\.json: S: there is no action dynamodb:ReadItem$/m);
  assert.equal(
    run.stdout,
    "judged 1 statements of 1 deploy policies and 0 policies of the modules\n",
  );
});
