"""Run every measurement, print one table and write target/bench/summary.json.

A measurement is a list of commands: those that build what it needs, then a program that prints rows of
JSON on standard output, one a line:
{"name", "unit", "ours", "peer", "peerName", "ratio", "goal", "met"}. What else it has to say goes to
standard error. `just bench generator` runs only those whose name holds the word.

One that fails does not end the others, and the rows it printed before are kept; the exit code is 1 then.
"""

import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
SUMMARY = TARGET / "bench/summary.json"
VIEWER = ["npm", "--silent", "--prefix", "viewer"]

MEASUREMENTS = {
    "generator": [["cargo", "run", "--quiet", "--release", "-p", "ralph-generator", "--example", "bench"]],
    "worker": [["cargo", "run", "--quiet", "--release", "-p", "ralph-worker", "--example", "bench"]],
    "logs": [[sys.executable, "bench/logs.py"]],
    # Long, and only where images can be built: runs when it is named.
    "image": [["docker/test-image.sh"], ["bench/image.sh"]],
    # Minutes, in a local cloud: runs when it is named.
    "load": [["cargo", "test", "--quiet", "--release", "--test", "e2e", "--", "--ignored", "--nocapture", "load::"]],
    "lambdas": [[sys.executable, "bench/lambdas.py"]],
    "viewer": [
        [*VIEWER, "ci", "--no-audit", "--no-fund"],
        [*VIEWER, "run", "build"],
        [*VIEWER, "run", "bench"],
    ],
}
NAMED_ONLY = {"image", "load"}
FIELDS = ["name", "unit", "ours", "peer", "peerName", "ratio", "goal", "met"]


class Failure(Exception):
    """Why a measurement has no more rows."""


def measure(commands):
    """Gives one row after the other; a failure comes after the rows before it."""
    for command in commands[:-1]:
        run(command, sys.stderr)
    result = run(commands[-1], subprocess.PIPE, check=False)
    count = 0
    for line in result.stdout.splitlines():
        if line.startswith("{"):
            yield checked(line)
            count += 1
    if result.returncode != 0 or count == 0:
        raise Failure(f"{commands[-1][0]} ended with exit code {result.returncode} and {count} rows")


def run(command, stdout, check=True):
    try:
        result = subprocess.run(command, cwd=ROOT, stdout=stdout, text=True, check=False)
    except OSError as error:
        raise Failure(f"{command[0]} cannot be started: {error.strerror}") from error
    if check and result.returncode != 0:
        raise Failure(f"{' '.join(command)} ended with exit code {result.returncode}")
    return result


def checked(line):
    try:
        row = json.loads(line)
    except ValueError as error:
        raise Failure(f"a row is not JSON: {line}") from error
    missing = [field for field in FIELDS if field not in row]
    if missing:
        raise Failure(f"a row lacks {', '.join(missing)}: {line}")
    return row


def text(value):
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "NO"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def main():
    words = sys.argv[1:]
    wanted = (lambda name: any(w in name for w in words)) if words else (lambda name: name not in NAMED_ONLY)
    chosen = {name: commands for name, commands in MEASUREMENTS.items() if wanted(name)}
    if not chosen:
        raise SystemExit(f"no measurement of that name\nhint: there are {', '.join(MEASUREMENTS)}")
    rows, failures = [], []
    SUMMARY.parent.mkdir(parents=True, exist_ok=True)
    for name, commands in chosen.items():
        print(f"measuring {name} …", file=sys.stderr)
        try:
            rows.extend(measure(commands))
        except Failure as failure:
            failures.append(f"{name} failed: {failure}")
            print(failures[-1], file=sys.stderr)
        # Each time: an interrupt loses no measurement that is over.
        SUMMARY.write_text(json.dumps(rows, indent=2) + "\n")
    table = [FIELDS] + [[text(row[field]) for field in FIELDS] for row in rows]
    widths = [max(len(line[i]) for line in table) for i in range(len(FIELDS))]
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
    print(f"\n{SUMMARY}")
    if failures:
        raise SystemExit("\n".join(failures))


main()
