"""`ralph logs` against awslogs: installs the peer, pinned by hash, and runs the measurement.

`aws logs tail` would be the other peer, but it is in AWS CLI version 2 alone, which no package index
has; version 1 cannot follow or format a log group. awslogs is what people install instead.
"""

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
PINS = ROOT / "cli/tools/awslogs.txt"
VENV = ROOT / ".tools/venv-awslogs"


def run(*command):
    subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr)


def install():
    stamp = VENV / "requirements.txt"
    if not stamp.exists() or stamp.read_text() != PINS.read_text():
        run(sys.executable, "-m", "venv", "--clear", VENV)
        run(VENV / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r", PINS)
        stamp.write_text(PINS.read_text())
    return VENV / "bin/awslogs"


awslogs = install()
run("cargo", "build", "--quiet", "--release", "-p", "ralph-cli", "--bins", "--examples")
release = TARGET / "release"
subprocess.run([release / "examples/bench_logs", release / "ralph", awslogs], cwd=ROOT, check=True)
