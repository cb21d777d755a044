"""Measures the functions against peers and prints rows of JSON (see bench/run.py).

What is measured is built with the profile `lambda`: the deployed binary itself, driven by a scripted
Lambda runtime API, and `lambdas/examples/bench` for what happens inside one invocation.
"""

import contextlib
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile

from scripted import Services

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
NODE_PEER = ROOT / "bench/peers/node"
PYTHON_PEER = ROOT / "bench/peers/python/push_logs.py"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "us-east-1",
}
MAXIMAL = 18_000
SMALL = 50
# https://aws.amazon.com/api-gateway/pricing/ : messages of up to 32 KB, us-east-1, first billion.
DOLLARS_PER_MILLION_POSTS = 1.00


def environment(more=()):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "RALPH_"))}
    return clean | CREDENTIALS | dict(more)


def run(command, **more):
    done = subprocess.run(
        [str(word) for word in command], stdout=subprocess.PIPE, text=True, check=False,
        cwd=ROOT, env=environment(), **more,
    )
    if done.returncode != 0:
        raise SystemExit(f"{command[0]} failed with exit code {done.returncode}")
    return done.stdout


def row(name, unit, ours, peer, peer_name, goal, met):
    ratio = None if peer is None else round(ours / peer, 3)
    print(json.dumps({
        "name": name, "unit": unit, "ours": round(ours, 4),
        "peer": None if peer is None else round(peer, 4), "peerName": peer_name,
        "ratio": ratio, "goal": goal, "met": met,
    }), flush=True)


def at_most(name, unit, ours, peer, peer_name, goal):
    row(name, unit, ours, peer, peer_name, goal, ours / (peer or 1) <= goal)


def at_least(name, unit, ours, peer, peer_name, goal):
    row(name, unit, ours, peer, peer_name, goal, ours / (peer or 1) >= goal)


def build():
    """Builds the zip, the measuring program and Node's function; gives where they are."""
    tools = ROOT / ".tools/venv-cargo-lambda/bin"
    run(["cargo", "run", "--quiet", "--bin", "ralph", "--", "build-lambdas"])
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(
        [tools / "cargo-lambda", "lambda", "build", "-p", "ralph-lambdas", "--example", "bench",
         "--profile", "lambda", "--x86-64"],
        cwd=ROOT, env=os.environ | {"PATH": path}, check=True, stdout=sys.stderr,
    )
    run(["npm", "ci", "--silent", "--no-audit", "--no-fund", "--prefix", NODE_PEER])
    node = NODE_PEER / "node_modules/.bin/node"
    run([NODE_PEER / "node_modules/.bin/esbuild", "--bundle", "--minify", "--platform=node",
         "--format=esm", "--target=node24", "--log-level=error",
         "--banner:js=import{createRequire}from'node:module';const require=createRequire(import.meta.url);",
         f"--outfile={NODE_PEER / 'bundle.mjs'}", NODE_PEER / "push-logs.mjs"])
    return TARGET / "lambda/bench/bootstrap", node


def times(command):
    """The median of a program's printed times, the first fifth left out: it warms up."""
    all_times = [float(line) for line in run(command).split()]
    return statistics.median(all_times[len(all_times) // 5:])


def decoding(bench, node, folder):
    maximal, small = folder / "maximal.json", folder / "small.json"
    run([bench, "make", maximal, MAXIMAL])
    run([bench, "make", small, SMALL])
    size = len(json.loads(maximal.read_text())["awslogs"]["data"]) * 3 // 4
    print(f"{MAXIMAL} events in {size / 1e6:.2f} MB of gzip", file=sys.stderr)
    for what, file, repeats, goal in [
        ("a maximal payload", maximal, 40, 0.45), ("50 events", small, 2_000, 0.5),
    ]:
        ours = times([bench, "decode", file, repeats])
        for peer_name, command in [
            ("Node", [node, NODE_PEER / "bench.mjs", "decode", file, repeats]),
            ("Python", [sys.executable, PYTHON_PEER, file, repeats]),
        ]:
            at_most(f"decode, group and pack {what}", "ms", ours, times(command), peer_name, goal)
        if file == maximal:
            peer = times([bench, "events-crate", file, repeats])
            at_most(f"decode, group and pack {what}", "ms", ours, peer,
                    "LogsEvent, decoding alone", 1)
    return maximal


@contextlib.contextmanager
def endpoint(bench, hanging):
    server = subprocess.Popen([bench, "endpoint", str(hanging)], stdout=subprocess.PIPE, text=True)
    try:
        yield server.stdout.readline().strip()
    finally:
        server.kill()
        server.wait()


def passes(command, connections=1_000):
    """Posts a second, p99 in ms: medians over the passes; and the program's peak memory in MB."""
    begun = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True,
                             env=environment())
    lines = [json.loads(line) for line in begun.stdout]
    _, status, usage = os.wait4(begun.pid, 0)
    begun.returncode = os.waitstatus_to_exitcode(status)
    if begun.returncode != 0 or not lines:
        raise SystemExit(f"{command[0]} failed with exit code {begun.returncode}")
    if any(line["posts"] != connections for line in lines):
        raise SystemExit(f"{command[1]}: not every connection had its post")
    rate = statistics.median(line["posts"] / line["lastMs"] * 1e3 for line in lines)
    return rate, statistics.median(line["p99Ms"] for line in lines), usage.ru_maxrss / 1024


def fan_out(bench, node):
    name = "a 16 KB frame to 1,000 connections"
    with endpoint(bench, 0) as url:
        ours, _, memory = passes([bench, "fan-out", url])
        bare, _, _ = passes([bench, "bare", url])
        peer, _, node_memory = passes([node, NODE_PEER / "bench.mjs", "fan-out", url])
    at_least(name, "posts/s", ours, peer, "Node, SDK v3", 5)
    at_least(name, "posts/s", ours, bare, "a bare loop over the Rust SDK", 0.85)
    at_most(f"{name}: memory", "MB", memory, node_memory, "Node, SDK v3", 1)
    with endpoint(bench, 0) as url:
        _, p99, _ = passes([bench, "fan-out-paced", url])
    with endpoint(bench, 10) as url:
        _, slow, _ = passes([bench, "fan-out-paced", url], connections=990)
    at_most(f"{name}, 1 % hanging: p99", "ms", slow, p99, "the same, none hanging", 1.2)


def start(command, more, folder):
    """Ms from the process's start to its first `next` poll."""
    with Services() as services:
        env = environment(services.environment() | more)
        begun = time.perf_counter()
        process = subprocess.Popen([str(word) for word in command], env=env, cwd=folder,
                                   stdout=subprocess.DEVNULL)
        try:
            return (services.first_poll() - begun) * 1e3
        finally:
            process.kill()
            process.wait()


def starting(bootstrap, node, folder):
    ours = [start([bootstrap], {"_HANDLER": "push-logs"}, folder) for _ in range(15)]
    peer = [start([node, NODE_PEER / "runtime.mjs"], {}, folder) for _ in range(7)]
    ours, peer = statistics.median(ours), statistics.median(peer)
    at_most("start to the first poll", "ms", ours, peer, "Node", 0.1)
    at_most("start to the first poll", "ms", ours, None, None, 25)


def memory(bootstrap, maximal, folder):
    """The deployed binary's peak memory after a maximal payload."""
    with Services() as services:
        env = environment(services.environment() | {"_HANDLER": "push-logs"})
        process = subprocess.Popen([str(bootstrap)], env=env, cwd=folder,
                                   stdout=subprocess.DEVNULL)
        try:
            services.invoke(maximal.read_bytes())
            status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
        finally:
            process.kill()
            process.wait()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    at_most("memory after a maximal payload", "MB", int(peak.split()[1]) / 1024, None, None, 64)


def sizes(zip_file):
    with zipfile.ZipFile(zip_file) as archive:
        binary = archive.getinfo("bootstrap").file_size
    at_most("the zip", "MB", zip_file.stat().st_size / 1e6, None, None, 5.0)
    at_most("the binary", "MB", binary / 1e6, None, None, 10)


def cost():
    """A delivery of 50 lines is one frame, and a frame is one message."""
    ours = DOLLARS_PER_MILLION_POSTS / SMALL
    at_most("posts of a million lines to one viewer, 50 lines a delivery", "$", ours,
            DOLLARS_PER_MILLION_POSTS, "one post a line", 0.05)


def main():
    bench, node = build()
    zip_file = ROOT / "dist/ralph-lambda.zip"
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        with zipfile.ZipFile(zip_file) as archive:
            bootstrap = pathlib.Path(archive.extract("bootstrap", folder))
        bootstrap.chmod(0o755)
        maximal = decoding(bench, node, folder)
        fan_out(bench, node)
        starting(bootstrap, node, folder)
        memory(bootstrap, maximal, folder)
    sizes(zip_file)
    cost()


if shutil.which("npm") is None:
    raise SystemExit("npm is not on PATH\nhint: the Node peer needs it (nodejs.org)")
main()
