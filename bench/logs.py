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


with (ROOT / "cli/tools/awslogs.txt").open() as pins:
    install = [sys.executable, "cli/tools/install.py", ".tools/venv-awslogs"]
    done = subprocess.run(install, cwd=ROOT, check=True, stdin=pins, stdout=subprocess.PIPE, text=True)
awslogs = pathlib.Path(done.stdout.strip()) / "awslogs"
build = ["cargo", "build", "--quiet", "--release", "-p", "ralph-cli", "--bins", "--examples"]
subprocess.run(build, cwd=ROOT, check=True, stdout=sys.stderr)
release = TARGET / "release"
subprocess.run([release / "examples/bench_logs", release / "ralph", awslogs], cwd=ROOT, check=True)
