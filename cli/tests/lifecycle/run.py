#!/usr/bin/env python3
"""An environment's life in the local cloud, with the credentials of a user that holds the published
deploy policies and nothing else: apply, plan again, change a route, apply, destroy, apply again,
destroy. Fails when anything is refused, drifts, or leaves a secret's value in a file. Then, as the
operator, an environment with every switch on, and one in a network that exists: see switches.py.

The local cloud enforces IAM (AUTH=true) by its own reading of it. Where that differs from AWS's, the
difference stands below by name, with the reason; nothing else is allowed beside the policies.
"""

import json
import pathlib
import re
import shutil
import tempfile
import zipfile

import switches
from local import MISREPORTED, ROOT, Cloud, Terraform, expect_calm, step

ENVIRONMENT = "dev"

# Statements whose condition the local cloud cannot judge: it is left off here.
UNJUDGED = {
    "CreateApi": "it knows no tags in a request to API Gateway",
    "CreateResources": "it knows no tags in a request to EC2",
    "DescribeTableKey": "it knows no kms:RequestAlias",
    "ManageTaggedApis": "it knows no tags of an API",
    "ManageTaggedResources": "it knows no tags of EC2 resources",
}

# Permissions that the local cloud checks on a different resource from AWS.
ELSEWHERE = [
    (["ec2:CreateInternetGateway", "ec2:CreateTags", "ec2:CreateVpc", "ec2:DisassociateRouteTable"],
     "*", "it asks EC2's actions without a resource where AWS names what is made"),
    (["dynamodb:ListTagsOfResource", "ecr:DescribeRepositories", "ecr:ListTagsForResource",
      "ecs:CreateCluster", "ecs:DescribeClusters", "ecs:ListTagsForResource",
      "events:ListTagsForResource", "lambda:CreateFunction", "states:ListTagsForResource"],
     "*", "it asks these without a resource, AWS with"),
    (["events:DeleteRule", "events:DescribeRule", "events:ListTargetsByRule", "events:PutRule",
      "events:PutTargets", "events:RemoveTargets"],
     "arn:aws:events:*:*:rule/default/ralph-dev-*", "it names the default bus in a rule's ARN"),
    (["events:PutTargets", "events:RemoveTargets", "events:ListTargetsByRule"],
     "arn:aws:events:*:*:event-bus/default", "it asks for targets on the bus, AWS on the rule"),
    (["kms:DescribeKey"], "arn:aws:kms:*:*:alias/aws/dynamodb",
     "it asks by the alias, AWS by the key behind it"),
]

NEEDLE = "sk-lifecycle-5d1f0c9a7b3e-needle"


def published_policies():
    """Those of who deploys."""
    files = [ROOT / f"docs/policies/{ENVIRONMENT}-{part}.json" for part in ["network", "tasks", "delivery"]]
    return [(file.stem, json.loads(file.read_text())) for file in files]


def deployer(cloud):
    """A user that may do what the policies say, and its credentials."""
    cloud.iam("CreateUser", UserName="deployer")
    unjudged = set(UNJUDGED)
    for name, policy in published_policies():
        for statement in policy["Statement"]:
            if statement["Sid"] in UNJUDGED:
                del statement["Condition"]
                unjudged.remove(statement["Sid"])
        cloud.iam("PutUserPolicy", UserName="deployer", PolicyName=name,
                  PolicyDocument=json.dumps(policy))
    assert not unjudged, f"no policy has a statement {unjudged}"
    beside = [{"Effect": "Allow", "Action": actions, "Resource": resource}
              for actions, resource, _ in ELSEWHERE]
    cloud.iam("PutUserPolicy", UserName="deployer", PolicyName="elsewhere",
              PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": beside}))
    key = cloud.iam("CreateAccessKey", UserName="deployer")
    return (re.search("<AccessKeyId>(.*?)<", key)[1],
            re.search("<SecretAccessKey>(.*?)<", key)[1])


def main(scratch):
    cloud = Cloud(scratch)
    try:
        skip = shutil.ignore_patterns(".terraform*", "*.tfstate*", "*.tfvars")
        shutil.copytree(ROOT / "terraform", scratch / "terraform", ignore=skip)
        terraform = Terraform(scratch / "terraform", ENVIRONMENT, cloud, deployer(cloud))
        step("a user with the published policy, and nothing made yet")
        terraform.apply()
        step("applied")
        for arn in terraform.outputs()["secret_arns"]["value"].values():
            cloud.put_secret(arn, NEEDLE)
        expect_calm(terraform, MISREPORTED)
        step("a second plan changes nothing")

        deployment = "module.websocket.aws_apigatewayv2_deployment.this"
        before = terraform.attribute(deployment, "id")
        api = terraform.tree / "modules/websocket/api.tf"
        text = api.read_text()
        assert text.count('"sendLogs"') == 1, "the route is in the module"
        api.write_text(text.replace('"sendLogs"', '"sendLines"'))
        changed = terraform.changes()
        assert changed.get(deployment) == ["create", "delete"], f"no new deployment: {changed}"
        terraform.apply()
        assert terraform.attribute(deployment, "id") != before
        expect_calm(terraform, MISREPORTED)
        step("a changed route is deployed")

        for file in [terraform.root / "terraform.tfstate", terraform.root / "second.plan"]:
            assert file.stat().st_size > 1000
        for file in scratch.rglob("*"):
            inside = terraform.tree in file.parents and ".terraform/" not in str(file)
            if inside and file.is_file():
                content = file.read_bytes()
                if zipfile.is_zipfile(file):
                    with zipfile.ZipFile(file) as packed:
                        content = b"".join(packed.read(name) for name in packed.namelist())
                assert NEEDLE.encode() not in content, f"a secret's value lies in {file}"
        step("no secret's value is in a state or a plan")

        terraform.destroy()
        step("destroyed")
        terraform.apply()
        step("applied again: every name was free")
        terraform.destroy()
        step("destroyed again")
        switches.check(scratch, cloud)
    finally:
        cloud.stop()


with tempfile.TemporaryDirectory(prefix="ralph-lifecycle-") as folder:
    main(pathlib.Path(folder))
