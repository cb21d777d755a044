"""An environment with every switch on, and one in a network that exists, applied and destroyed."""

import json
import re
import subprocess

from local import MISREPORTED, OPERATOR, ROOT, Terraform, expect_calm, step

EVERYTHING = """
[env.dev]
kms_key_arn = "KEY"
role_path = "/ralph/"
permissions_boundary_arn = "BOUNDARY"

[env.dev.network]
nat = "per-az"
interface_endpoints = ["ecr.api", "ecr.dkr", "logs", "secretsmanager"]
flow_logs = true

[env.dev.worker]
storage_gib = 50
image = "ghcr.io/team/worker:1"
image_credentials_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:registry-a1b2c3"
setup_command = "just setup"
pull_request = "draft"

[env.dev.notify]
email = "team@example.com"
log_url = "https://logs.example.com/{workstream}/{run}"

[env.dev.agent]
model = "opus"
model_endpoint = "https://gateway.example.com/anthropic"
repositories = ["https://github.com/team/*"]
environment = { DATABASE_HOST = "db.example.com" }

[env.dev.agent.secrets]
DATABASE_USER = "arn:aws:secretsmanager:us-east-1:123456789012:secret:database-a1b2c3:user::"
DATABASE_PASSWORD = "arn:aws:secretsmanager:us-east-1:123456789012:secret:database-a1b2c3:password::"

[env.dev.websocket]
push_logs_concurrency = 10
table_backups = true

[env.dev.monitoring]
alarms = true
alarm_topic_arn = "TOPIC"
dashboard = true
access_logs = true
account_log_role = true
detailed_metrics = true
container_insights = true
traced_functions = [
    "admit", "authorize", "connect", "decide", "disconnect", "push-logs", "send-logs", "task-events",
]
"""

EXISTING = """
[env.staging]
secret_recovery_days = 0

[env.staging.network]
mode = "existing"
private = true
vpc_id = "VPC"
subnet_ids = SUBNETS
"""

# What the local cloud reports differently from what was set, beside what it does without switches.
MISREPORTED_ON = MISREPORTED | {
    "module.vpc.aws_flow_log.this": "it tells neither the role nor the interval nor the tags",
    "module.vpc.aws_vpc_endpoint.interface": "it tells neither the groups nor private DNS",
} | dict.fromkeys(
    ["module.fargate.aws_cloudwatch_metric_alarm.executions_failed",
     "module.websocket.aws_cloudwatch_metric_alarm.this"],
    "it tells neither dimensions nor actions of an alarm",
)

ANYONE = {"Version": "2012-10-17", "Statement": [
    {"Sid": "Any", "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:*", "Resource": "*"}]}
BOUNDARY = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def generated(scratch, text):
    """A tree of its own from a description."""
    tree = scratch / f"tree-{len(list(scratch.iterdir()))}"
    tree.mkdir()
    description = tree / "ralph.toml"
    description.write_text(text)
    subprocess.run(["cargo", "run", "--quiet", "--bin", "generator", "--", "--config",
                    description, "--out", tree / "terraform"], cwd=ROOT, check=True,
                   stdout=subprocess.DEVNULL)
    return tree / "terraform"


def key_of(cloud):
    body = json.dumps({"Policy": json.dumps(ANYONE)})
    answer = cloud.call("kms", ["-H", "x-amz-target: TrentService.CreateKey",
                                "-H", "content-type: application/x-amz-json-1.1", "-d", body])
    return json.loads(answer)["KeyMetadata"]["Arn"]


def topic_of(cloud):
    answer = cloud.call("sns", ["-d", "Action=CreateTopic&Version=2010-03-31&Name=alarms"])
    return re.search("<TopicArn>(.*?)<", answer)[1]


def check(scratch, cloud):
    boundary = re.search("<Arn>(.*?)<", cloud.iam(
        "CreatePolicy", PolicyName="boundary", PolicyDocument=json.dumps(BOUNDARY)))[1]
    text = EVERYTHING.replace("KEY", key_of(cloud)).replace("TOPIC", topic_of(cloud))
    everything = Terraform(generated(scratch, text.replace("BOUNDARY", boundary)), "dev", cloud,
                           OPERATOR)
    everything.apply()
    expect_calm(everything, MISREPORTED_ON)
    step("applied with every switch on")

    vpc = everything.attribute("module.vpc.aws_vpc.this[0]", "id")
    subnets = {kind: [everything.attribute(f'module.vpc.aws_subnet.{kind}["us-east-1{zone}"]', "id")
                      for zone in "ab"] for kind in ["private", "public"]}
    text = EXISTING.replace("VPC", vpc)
    one_zone = [subnets["private"][0], subnets["public"][0]]
    refused = Terraform(generated(scratch, text.replace("SUBNETS", json.dumps(one_zone))), "staging",
                        cloud, OPERATOR).refused("plan")
    assert "must have subnets in at least two of availability_zones" in refused, refused
    stranger = [*subnets["private"], foreign_subnet(cloud)]
    refused = Terraform(generated(scratch, text.replace("SUBNETS", json.dumps(stranger))), "staging",
                        cloud, OPERATOR).refused("plan")
    assert "must be in the VPC existing.vpc_id" in refused, refused
    step("subnets of one zone, or of another VPC, are refused by the plan")

    text = text.replace("SUBNETS", json.dumps(subnets["private"]))
    existing = Terraform(generated(scratch, text), "staging", cloud, OPERATOR)
    existing.apply()
    expect_calm(existing, MISREPORTED)
    step("applied in a network that exists")
    existing.destroy()
    everything.destroy()
    step("both destroyed")


def foreign_subnet(cloud):
    """A subnet of the account's default VPC."""
    answer = cloud.call("ec2", ["-d", "Action=DescribeSubnets&Version=2016-11-15"
                                "&Filter.1.Name=default-for-az&Filter.1.Value.1=true"])
    return re.search("<subnetId>(.*?)<", answer)[1]
