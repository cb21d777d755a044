#!/bin/bash
# Runs the local cloud with its workers in containers: the demo, the demo on a person's own repository,
# a kill of the whole while a container works, and images of one's own, in one of which a Python and a Rust
# repository are worked on. The images' layers must be there or be built first.
#   docker/test-containers.sh
set -euo pipefail
cd "$(dirname "$0")/.."
mapfile -t engine < <(docker/engine.sh)
[ ${#engine[@]} -gt 0 ] || exit 1
ralph=${CARGO_TARGET_DIR:-target}/debug/ralph
scratch=$(mktemp -d)
cleanup() {
    "$ralph" local --stop --scratch "$scratch/cloud" >/dev/null 2>&1 || true
    rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

# A layer that is not there any more is built again, with this machine's npm.
# shellcheck source=docker/stand-in.sh
. docker/stand-in.sh
npm_settings >"$scratch/npmrc"
export RALPH_BUILD_ARGS="--secret id=npmrc,src=$scratch/npmrc ${RALPH_BUILD_ARGS:-}"

fail() {
    echo "containers: FAILED: $*" >&2
    exit 1
}
# The containers of tasks, whose ids are UUIDs, and the volumes.
running() { "${engine[@]}" ps --all --quiet --filter 'name=^ralph-[0-9a-f]{8}-'; }
volumes() { "${engine[@]}" volume ls --quiet | sort; }
before=$(volumes)
# until_seen WHAT COMMAND …: while the local cloud runs, and for at most five minutes
until_seen() {
    local what=$1 end=$((SECONDS + 300))
    shift
    until "$@"; do
        kill -0 "$local" 2>/dev/null || fail "$what: the local cloud has ended"
        [ $SECONDS -lt $end ] || fail "$what: not within five minutes"
        sleep 0.2
    done
}

echo "containers: the demo"
./justw demo --containers --quiet

echo "containers: the demo on a repository of one's own"
own=$scratch/own
git init --quiet --initial-branch=trunk "$own"
echo "Say hello." >"$own/TASK.md"
git -C "$own" add TASK.md
git -C "$own" -c user.name=A -c user.email=a@example.invalid -c commit.gpgSign=false commit --quiet -m Mine
trunk=$(git -C "$own" rev-parse trunk)
"$ralph" demo --containers --quiet --agent scripted --workstream own --repo "$own" --prompt TASK.md
[ "$(git -C "$own" rev-parse trunk)" = "$trunk" ] || fail "trunk has changed"
[ "$(git -C "$own" rev-list --count "$trunk..ralph/own")" -gt 0 ] || fail "the work has not arrived"
[ -z "$(find "$own" ! -user "$(id -un)")" ] || fail "a file of the repository has changed its owner"

echo "containers: a workstream"
"$ralph" local --no-viewer --containers --scratch "$scratch/cloud" >"$scratch/out" &
local=$!
until_seen "the start" grep -q ^ready "$scratch/out"
mkdir -p "$scratch/cloud/tasks/agents" "$scratch/cloud/repositories"
git clone --quiet --bare "$own" "$scratch/cloud/repositories/own.git"
echo "bash -c 'setsid sleep 600 & sleep 600'" >"$scratch/cloud/tasks/agents/killed"
"$ralph" run killed "file://$scratch/cloud/repositories/own.git" --prompt-path TASK.md --scratch "$scratch/cloud"
at_work() { grep -qs '"type":"iter.start"' "$scratch"/cloud/tasks/*/journal.jsonl; }
until_seen "an agent at work" at_work
[ -n "$(running)" ] || fail "no container runs"

echo "containers: a supervisor is killed"
first=$(running)
kill -KILL "$(pgrep -f "supervise --pids $scratch/cloud/pids -- .*--name ralph-")"
gone() { ! running | grep -q "$first"; }
running_again() { [ -n "$(running)" ]; }
until_seen "the end of its container" gone
until_seen "the next attempt" running_again

echo "containers: everything is killed"
kill -KILL $local
"$ralph" local --stop --scratch "$scratch/cloud"
[ -z "$(running)" ] || fail "a container is left: $(running)"
[ "$(volumes)" = "$before" ] || fail "a volume is left"

echo "containers: images of one's own"
docker/own-image.sh 1 localhost/ralph-own:test WORKER=localhost/ralph-worker:local >"$scratch/build.log" 2>&1 ||
    fail "docs/images.md: $(tail -n 20 "$scratch/build.log")"
cargo test --quiet --test e2e images_of_ones_own -- --ignored --nocapture
[ -z "$(running)" ] || fail "a container is left: $(running)"
[ "$(volumes)" = "$before" ] || fail "a volume is left"

echo "containers: nothing is left"
