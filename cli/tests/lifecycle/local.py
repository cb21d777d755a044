"""The local cloud with IAM enforced, and Terraform against it."""

import functools
import json
import os
import pathlib
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
REGION = "us-east-1"
# Of this run alone.
OPERATOR = (f"AKIA{secrets.token_hex(8).upper()}", secrets.token_hex(20))
START = time.monotonic()

# What the local cloud reports differently from what was set, so that a second plan sees a change.
MISREPORTED = {
    "module.websocket.aws_apigatewayv2_authorizer.token":
        "it invents a jwt_configuration for a REQUEST authorizer",
    "module.fargate.aws_sfn_state_machine.workstream":
        "it knows no tracing of state machines",
}


def step(text):
    print(f"{time.monotonic() - START:6.1f} s  {text}", flush=True)


def clean_environment():
    return {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}


@functools.cache
def ralph():
    """`ralph`, which knows which tofu or terraform is used and where that finds its provider."""
    subprocess.run(["cargo", "build", "--quiet", "--bin", "ralph"], cwd=ROOT, check=True)
    return ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "debug/ralph"


def engine(folder, *arguments, env):
    """What tofu or terraform does in a folder."""
    return subprocess.run([ralph(), "terraform", folder, *arguments], env=env,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True)


def install(name):
    """The folder of the programs that a file of pins installs, from where `ralph` installs them too."""
    command = [sys.executable, ROOT / "cli/tools/install.py", ROOT / f".tools/venv-{name}"]
    with (ROOT / f"cli/tools/{name}.txt").open() as pins:
        done = subprocess.run(command, stdin=pins, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(done.returncode)
    return pathlib.Path(done.stdout.strip())


class Cloud:
    def __init__(self, scratch):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        (scratch / "tmp").mkdir()
        environment = clean_environment() | {
            "GATEWAY_PORT": str(self.port), "LAMBDA_EXECUTOR": "local", "AUTH": "true",
            "AWS_ACCESS_KEY_ID": OPERATOR[0], "AWS_SECRET_ACCESS_KEY": OPERATOR[1],
            "AWS_DEFAULT_REGION": REGION, "AWS_ENDPOINT_URL": self.url,
            "TMPDIR": str(scratch / "tmp"), "S3_DATA_DIR": str(scratch / "s3"),
            "DOCKER_HOST": "unix:///nonexistent", "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.log = scratch / "cloud.log"
        self.process = subprocess.Popen(
            [install("local-cloud") / "python", ROOT / "cli/tools/local_cloud", "--port", str(self.port)],
            cwd=scratch, env=environment, stdin=subprocess.DEVNULL,
            stdout=self.log.open("w"), stderr=subprocess.STDOUT, start_new_session=True)
        deadline = time.monotonic() + 60
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=2):
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
             "--user", ":".join(OPERATOR), *arguments, self.url], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{service}: {done.stdout}{done.stderr}")
        return done.stdout

    def iam(self, action, **fields):
        body = urllib.parse.urlencode({"Action": action, "Version": "2010-05-08", **fields})
        return self.call("iam", ["-d", body])

    def put_secret(self, arn, value):
        body = json.dumps({"SecretId": arn, "SecretString": value})
        self.call("secretsmanager", [
            "-H", "x-amz-target: secretsmanager.PutSecretValue",
            "-H", "content-type: application/x-amz-json-1.1", "-d", body])


class Terraform:
    """The root module of an environment in a tree of its own, with its state."""

    def __init__(self, tree, environment, cloud, key):
        self.tree = tree
        self.root = tree / "envs" / environment
        (self.root / "local_override.tf").write_text('terraform {\n  backend "local" {}\n}\n')
        package = tree / "lambda.zip"
        with zipfile.ZipFile(package, "w") as file:
            file.writestr(zipfile.ZipInfo("bootstrap"), "#!/bin/sh\n")
        self.environment = clean_environment() | {
            "AWS_ACCESS_KEY_ID": key[0], "AWS_SECRET_ACCESS_KEY": key[1], "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": cloud.url, "AWS_EC2_METADATA_DISABLED": "true",
            "TF_VAR_lambda_zip": str(package),
            "TF_VAR_management_base": f"{cloud.url}/_aws/execute-api",
        }
        self.run("init")

    def run(self, command, *arguments):
        done = engine(self.root, command, *arguments, env=self.environment)
        if done.returncode:
            refused = [line for line in done.stderr.splitlines() if "not authorized" in line]
            raise SystemExit(f"{command} failed\n" + ("\n".join(refused) or done.stderr[-4000:]))
        return done.stdout

    def apply(self):
        self.run("apply", "-auto-approve", "-input=false", "-no-color")

    def destroy(self):
        try:
            self.destroy_once()
        except SystemExit as failure:
            # The provider repeats a request whose answer was lost, and then nothing is there.
            if not re.search("deleting .*(DoesNotExist|NotFound)", str(failure)):
                raise
            step(f"an answer of the local cloud was lost; destroyed again: {failure}")
            self.destroy_once()

    def destroy_once(self):
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

    def refused(self, command):
        """What a command says that must fail."""
        try:
            self.run(command, "-input=false", "-no-color")
        except SystemExit as refusal:
            return " ".join(str(refusal).replace("│", " ").split())
        raise SystemExit(f"{command} was not refused")

    def outputs(self):
        return json.loads(self.run("output", "-json"))


def expect_calm(terraform, misreported):
    """Nothing would change but what the local cloud reports wrongly."""
    changed = terraform.changes()
    drifting = {address: actions for address, actions in changed.items()
                if address.split("[")[0] not in misreported}
    assert not drifting, f"a plan after an apply would change {drifting}"
