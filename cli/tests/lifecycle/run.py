#!/usr/bin/env python3
"""An environment's life in the local cloud, with the credentials of a user that holds the published
deploy policy and nothing else: apply, plan again, change a route, apply, destroy, apply again,
destroy. Fails when anything is refused, drifts, or leaves a secret's value in a file.

The local cloud enforces IAM (AUTH=true) by its own reading of it. Where that differs from AWS's, the
difference stands below by name, with the reason; nothing else is allowed beside the policy.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
ENVIRONMENT = "dev"
REGION = "us-east-1"

# Statements whose condition the local cloud cannot judge: it is left off here.
UNJUDGED = {
    "ChangeOwn": "it knows no tags of EC2 resources",
    "TablesOwnKey": "it knows no kms:RequestAlias",
}

# What the local cloud asks on another resource than AWS does.
ELSEWHERE = [
    (["ec2:CreateInternetGateway", "ec2:CreateTags", "ec2:CreateVpc", "ec2:DisassociateRouteTable"],
     "*", "it asks EC2's actions without a resource where AWS names what is made"),
    (["dynamodb:ListTagsOfResource", "ecr:DescribeRepositories", "ecr:ListTagsForResource",
      "ecs:DescribeClusters", "ecs:ListTagsForResource", "events:ListTagsForResource",
      "lambda:CreateFunction", "states:ListTagsForResource"],
     "*", "it asks these without a resource, AWS with"),
    (["events:DeleteRule", "events:DescribeRule", "events:ListTargetsByRule", "events:PutRule",
      "events:PutTargets", "events:RemoveTargets"],
     "arn:aws:events:*:*:rule/default/ralph-dev-*", "it names the default bus in a rule's ARN"),
    (["events:PutTargets", "events:RemoveTargets", "events:ListTargetsByRule"],
     "arn:aws:events:*:*:event-bus/default", "it asks for targets on the bus, AWS on the rule"),
    (["kms:DescribeKey"], "arn:aws:kms:*:*:alias/aws/dynamodb",
     "it asks by the alias, AWS by the key behind it"),
]

# What the local cloud reports otherwise than it was told, so that a second plan sees a change.
MISREPORTED = {
    "module.websocket.aws_apigatewayv2_authorizer.token":
        "it invents a jwt_configuration for a REQUEST authorizer",
    "module.fargate.aws_sfn_state_machine.workstream":
        "it knows no tracing of state machines",
}

NEEDLE = "sk-lifecycle-5d1f0c9a7b3e-needle"


def step(text):
    print(f"{time.monotonic() - START:6.1f} s  {text}", flush=True)


def clean_environment():
    keep = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    if not pathlib.Path(keep.get("TF_CLI_CONFIG_FILE", "/")).exists():
        keep.pop("TF_CLI_CONFIG_FILE", None)
    return keep


def installed_cloud():
    """MiniStack, from where `ralph` installs it too."""
    venv, pins = ROOT / ".tools/venv-local-cloud", ROOT / "cli/tools/local-cloud.txt"
    stamp = venv / "requirements.txt"
    if not stamp.exists() or stamp.read_text() != pins.read_text():
        shutil.rmtree(venv, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([venv / "bin/python", "-m", "pip", "install", "--quiet", "--require-hashes",
                        "-r", pins], check=True)
        stamp.write_text(pins.read_text())
    return venv / "bin/ministack"


class Cloud:
    def __init__(self, scratch):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        (scratch / "tmp").mkdir()
        environment = clean_environment() | {
            "GATEWAY_PORT": str(self.port), "BIND_HOST": "127.0.0.1", "LAMBDA_EXECUTOR": "local",
            "AUTH": "true", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION, "AWS_ENDPOINT_URL": self.url,
            "TMPDIR": str(scratch / "tmp"), "S3_DATA_DIR": str(scratch / "s3"),
            "DOCKER_HOST": "unix:///nonexistent",
        }
        self.log = scratch / "cloud.log"
        self.process = subprocess.Popen(
            [installed_cloud()], cwd=scratch, env=environment, stdin=subprocess.DEVNULL,
            stdout=self.log.open("w"), stderr=subprocess.STDOUT, start_new_session=True)
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/_ministack/health", timeout=2).read()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"the local cloud does not start\n{self.log.read_text()[-2000:]}")
                time.sleep(0.1)

    def stop(self):
        try:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def call(self, service, arguments):
        """A request with root's credentials, signed by curl."""
        done = subprocess.run(
            ["curl", "-sS", "--fail-with-body", "--aws-sigv4", f"aws:amz:{REGION}:{service}",
             "--user", "test:test", *arguments, self.url], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{service}: {done.stdout}{done.stderr}")
        return done.stdout

    def iam(self, action, **fields):
        body = urllib.parse.urlencode({"Action": action, "Version": "2010-05-08", **fields})
        return self.call("iam", ["-d", body])

    def put_secret(self, arn):
        body = json.dumps({"SecretId": arn, "SecretString": NEEDLE})
        self.call("secretsmanager", [
            "-H", "x-amz-target: secretsmanager.PutSecretValue",
            "-H", "content-type: application/x-amz-json-1.1", "-d", body])


def published_policies():
    page = (ROOT / "docs/deploy-policy.md").read_text()
    found = re.findall(rf"```json {ENVIRONMENT} (\S+)\n(.*?)```", page, re.S)
    assert len(found) == 3, "docs/deploy-policy.md holds three policies for dev"
    return [(name, json.loads(text)) for name, text in found]


def deployer(cloud):
    """A user that may do what the policies say, and its credentials."""
    cloud.iam("CreateUser", UserName="deployer")
    for name, policy in published_policies():
        for statement in policy["Statement"]:
            if statement["Sid"] in UNJUDGED:
                del statement["Condition"]
        cloud.iam("PutUserPolicy", UserName="deployer", PolicyName=name,
                  PolicyDocument=json.dumps(policy))
    beside = [{"Effect": "Allow", "Action": actions, "Resource": resource}
              for actions, resource, _ in ELSEWHERE]
    cloud.iam("PutUserPolicy", UserName="deployer", PolicyName="elsewhere",
              PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": beside}))
    key = cloud.iam("CreateAccessKey", UserName="deployer")
    return (re.search("<AccessKeyId>(.*?)<", key)[1],
            re.search("<SecretAccessKey>(.*?)<", key)[1])


class Terraform:
    def __init__(self, scratch, cloud, key):
        skip = shutil.ignore_patterns(".terraform*", "*.tfstate*", "*.tfvars")
        self.tree = scratch / "terraform"
        shutil.copytree(ROOT / "terraform", self.tree, ignore=skip)
        self.root = self.tree / "envs" / ENVIRONMENT
        (self.root / "local_override.tf").write_text('terraform {\n  backend "local" {}\n}\n')
        package = scratch / "lambda.zip"
        with zipfile.ZipFile(package, "w") as file:
            file.writestr(zipfile.ZipInfo("bootstrap"), "#!/bin/sh\n")
        self.environment = clean_environment() | {
            "AWS_ACCESS_KEY_ID": key[0], "AWS_SECRET_ACCESS_KEY": key[1], "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": cloud.url, "AWS_EC2_METADATA_DISABLED": "true",
            "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1",
            "TF_VAR_lambda_zip": str(package),
            "TF_VAR_management_base": f"{cloud.url}/_aws/execute-api",
        }
        self.program = shutil.which("tofu") or shutil.which("terraform")
        assert self.program, "neither tofu nor terraform is on PATH"
        self.run("init", "-input=false", *self.mirror())

    @staticmethod
    def mirror():
        """A filesystem mirror of providers in one of the usual places."""
        home = pathlib.Path.home()
        places = [home / ".terraform.d/plugins", home / ".local/share/terraform/plugins",
                  pathlib.Path("/usr/local/share/terraform/plugins"),
                  pathlib.Path("/usr/share/terraform/plugins"), *pathlib.Path("/opt").glob("*")]
        for place in places:
            for registry in ("registry.terraform.io", "registry.opentofu.org"):
                if (place / registry / "hashicorp/aws").is_dir():
                    return [f"-plugin-dir={place}"]
        return []

    def run(self, command, *arguments):
        done = subprocess.run(
            [self.program, f"-chdir={self.root}", command, *arguments], env=self.environment,
            stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode:
            refused = [line for line in done.stderr.splitlines() if "not authorized" in line]
            raise SystemExit(f"{command} failed\n" + ("\n".join(refused) or done.stderr[-4000:]))
        return done.stdout

    def apply(self):
        self.run("apply", "-auto-approve", "-input=false", "-no-color")

    def destroy(self):
        self.run("destroy", "-auto-approve", "-input=false", "-no-color")
        state = json.loads((self.root / "terraform.tfstate").read_text())
        assert state["resources"] == [], "something is left in the state"

    def changes(self):
        """What a plan would change, by address."""
        self.run("plan", "-input=false", "-no-color", "-out=second.plan")
        plan = json.loads(self.run("show", "-json", "second.plan"))
        assert len(plan["resource_changes"]) > 60, "the plan knows too few resources"
        return {change["address"]: change["change"]["actions"]
                for change in plan["resource_changes"]
                if change["change"]["actions"] != ["no-op"] and change["mode"] == "managed"}

    def attribute(self, address, name):
        state = json.loads(self.run("show", "-json"))
        modules = state["values"]["root_module"]["child_modules"]
        return next(resource["values"][name] for module in modules
                    for resource in module["resources"] if resource["address"] == address)

    def outputs(self):
        return json.loads(self.run("output", "-json"))


def expect_calm(terraform):
    changed = terraform.changes()
    drifting = {address: actions for address, actions in changed.items()
                if address not in MISREPORTED}
    assert not drifting, f"a plan after an apply would change {drifting}"


def main(scratch):
    cloud = Cloud(scratch)
    try:
        terraform = Terraform(scratch, cloud, deployer(cloud))
        step("a user with the published policy, and nothing made yet")
        terraform.apply()
        step("applied")
        for arn in terraform.outputs()["secret_arns"]["value"].values():
            cloud.put_secret(arn)
        expect_calm(terraform)
        step("a second plan changes nothing")

        deployment = "module.websocket.aws_apigatewayv2_deployment.this"
        before = terraform.attribute(deployment, "id")
        api = terraform.tree / "modules/websocket/api.tf"
        text = api.read_text()
        assert text.count('"sendLogs"') > 1, "the route is in the module"
        api.write_text(text.replace('"sendLogs"', '"sendLines"').replace("/*/sendLogs", "/*/sendLines"))
        changed = terraform.changes()
        assert changed.get(deployment) == ["create", "delete"], f"no new deployment: {changed}"
        terraform.apply()
        assert terraform.attribute(deployment, "id") != before
        expect_calm(terraform)
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
    finally:
        cloud.stop()


START = time.monotonic()
with tempfile.TemporaryDirectory(prefix="ralph-lifecycle-") as folder:
    main(pathlib.Path(folder))
