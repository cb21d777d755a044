#!/usr/bin/env python3
"""Prints every policy of the modules, as AWS would get it, in JSON by address. An environment with
every switch on is applied to mocks, because a plan does not know the ARNs that policies name."""

import json
import pathlib
import re
import tempfile

from local import clean_environment, engine
from switches import EVERYTHING, generated

IN_ACCOUNT = "us-east-1:123456789012"
# What the mocks answer where a policy, a condition or a check of an input reads it.
ANSWERS = {
    "aws_apigatewayv2_api.execution_arn": f"arn:aws:execute-api:{IN_ACCOUNT}:a1b2c3d4e5",
    "aws_cloudwatch_event_rule.arn": f"arn:aws:events:{IN_ACCOUNT}:rule/a-rule",
    "aws_cloudwatch_log_group.arn": f"arn:aws:logs:{IN_ACCOUNT}:log-group:/a/group",
    "aws_dynamodb_table.arn": f"arn:aws:dynamodb:{IN_ACCOUNT}:table/a-table",
    "aws_ecr_repository.arn": f"arn:aws:ecr:{IN_ACCOUNT}:repository/a-repository",
    "aws_ecs_cluster.arn": f"arn:aws:ecs:{IN_ACCOUNT}:cluster/a-cluster",
    "aws_ecs_task_definition.arn_without_revision":
        f"arn:aws:ecs:{IN_ACCOUNT}:task-definition/a-family",
    "aws_iam_role.arn": "arn:aws:iam::123456789012:role/a-role",
    "aws_lambda_function.arn": f"arn:aws:lambda:{IN_ACCOUNT}:function:a-function",
    "aws_secretsmanager_secret.arn": f"arn:aws:secretsmanager:{IN_ACCOUNT}:secret:a-secret-a1b2c3",
    "aws_security_group.id": "sg-0123456789abcdef0",
    "aws_sfn_state_machine.arn": f"arn:aws:states:{IN_ACCOUNT}:stateMachine:a-machine",
    "aws_sns_topic.arn": f"arn:aws:sns:{IN_ACCOUNT}:a-topic",
    "aws_sqs_queue.arn": f"arn:aws:sqs:{IN_ACCOUNT}:a-queue",
    "aws_subnet.id": "subnet-0123456789abcdef0",
    "aws_vpc.arn": f"arn:aws:ec2:{IN_ACCOUNT}:vpc/vpc-0123456789abcdef0",
}
GIVEN = {
    "KEY": f"arn:aws:kms:{IN_ACCOUNT}:key/01234567-89ab-cdef-0123-456789abcdef",
    "BOUNDARY": "arn:aws:iam::123456789012:policy/boundary",
    "TOPIC": f"arn:aws:sns:{IN_ACCOUNT}:alarms",
}


def applied(root, package):
    """What an environment consists of, once it is applied to the mocks."""
    mocks = ['mock_data "aws_partition" {\n'
             'defaults = { partition = "aws", dns_suffix = "amazonaws.com" }\n}']
    for name, answer in ANSWERS.items():
        kind, attribute = name.split(".")
        mocks.append(f'mock_resource "{kind}" {{\ndefaults = {{ {attribute} = "{answer}" }}\n}}')
    mocks = "\n".join(mocks)
    (root / "policies.tftest.hcl").write_text(
        f'mock_provider "aws" {{\n{mocks}\n}}\nrun "apply" {{}}\n')
    environment = clean_environment() | {"TF_VAR_lambda_zip": str(package)}

    def run(*arguments):
        return engine(root, *arguments, env=environment)

    done = run("init", "-backend=false")
    if done.returncode:
        raise SystemExit(f"init failed\n{done.stderr}")
    # Only a verbose test prints the state, as JSON among its messages.
    done = run("test", "-json", "-verbose", "-filter=policies.tftest.hcl")
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode:
        faults = [json.dumps(message["diagnostic"]) for message in messages if "diagnostic" in message]
        raise SystemExit("\n".join(["apply failed", *faults, done.stderr]))
    state = next(message["test_state"] for message in messages if "test_state" in message)
    modules = state["root_module"]["child_modules"]
    return [resource for module in modules for resource in module["resources"]]


def policies(resources):
    """Every attribute that is a policy, by its address."""
    return {f"{resource['address']}.{name}": json.loads(value)
            for resource in resources for name, value in resource["values"].items()
            if isinstance(value, str) and '"Statement"' in value}


def expect_all(modules, resources, found):
    """Of a type that has policies, no resource is left out by the switches."""
    types = {re.search(r"\b(aws_\w+)\.", address)[1] for address in found}
    made = {f"{resource['type']}.{resource['name']}" for resource in resources}
    for file in modules.glob("*/*.tf"):
        for kind, name in re.findall(r'^resource "(\w+)" "(\w+)"', file.read_text(), re.M):
            left_out = kind in types and f"{kind}.{name}" not in made
            assert not left_out, f"{file}: no switch of switches.py makes {kind}.{name}"


def main(scratch):
    text = EVERYTHING
    for word, arn in GIVEN.items():
        text = text.replace(word, arn)
    tree = generated(scratch, text)
    package = scratch / "lambda.zip"
    package.touch()
    resources = applied(tree / "envs/dev", package)
    found = policies(resources)
    expect_all(tree / "modules", resources, found)
    print(json.dumps(found))


with tempfile.TemporaryDirectory(prefix="ralph-policies-") as folder:
    main(pathlib.Path(folder))
