"""Run every measurement, print one table and write target/bench/summary.json.

A measurement is a program that prints rows of JSON on standard output, one a line:
{"name", "unit", "ours", "peer", "peerName", "ratio", "goal", "met"}. What else it has to say goes to
standard error. `just bench generator` runs only those whose name holds the word.
"""

import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SUMMARY = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "bench/summary.json"

MEASUREMENTS = {
    "generator": ["cargo", "run", "--quiet", "--release", "-p", "ralph-generator", "--example", "bench"],
    "worker": ["cargo", "run", "--quiet", "--release", "-p", "ralph-worker", "--example", "bench"],
    "logs": [sys.executable, "bench/logs.py"],
    # Long, and only where images can be built: runs when it is named.
    "image": ["bench/image.sh"],
    # Minutes, in a local cloud: runs when it is named.
    "load": ["cargo", "test", "--quiet", "--release", "-p", "ralph-cli", "--test", "e2e", "--", "--ignored", "--nocapture", "load::"],
    "lambdas": [sys.executable, "bench/lambdas.py"],
    "viewer": ["npm", "--silent", "--prefix", "viewer", "run", "bench"],
}
NAMED_ONLY = {"image", "load"}
FIELDS = ["name", "unit", "ours", "peer", "peerName", "ratio", "goal", "met"]


def measure(name, command):
    print(f"measuring {name} …", file=sys.stderr)
    result = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    rows = []
    for line in result.stdout.splitlines():
        if line.startswith("{"):
            row = json.loads(line)
            missing = [field for field in FIELDS if field not in row]
            if missing:
                raise SystemExit(f"{name}: a row lacks {', '.join(missing)}: {line}")
            rows.append(row)
    if result.returncode != 0 or not rows:
        raise SystemExit(f"{name} failed with exit code {result.returncode} and {len(rows)} rows")
    return rows


def text(value):
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "NO"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def main():
    words = sys.argv[1:]
    wanted = (lambda name: any(w in name for w in words)) if words else (lambda name: name not in NAMED_ONLY)
    chosen = {name: command for name, command in MEASUREMENTS.items() if wanted(name)}
    if not chosen:
        raise SystemExit(f"no measurement of that name\nhint: there are {', '.join(MEASUREMENTS)}")
    rows = [row for name, command in chosen.items() for row in measure(name, command)]
    SUMMARY.parent.mkdir(parents=True, exist_ok=True)
    SUMMARY.write_text(json.dumps(rows, indent=2) + "\n")
    table = [FIELDS] + [[text(row[field]) for field in FIELDS] for row in rows]
    widths = [max(len(line[i]) for line in table) for i in range(len(FIELDS))]
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
    print(f"\n{SUMMARY}")


main()
