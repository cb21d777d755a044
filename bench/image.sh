#!/bin/bash
# Sizes of the worker image and of the naive recipe as rows of JSON: all files, and what each layer adds
# (docs/images.md has them too). Needs root, buildah and podman, and `just test-image` before it: that leaves
# the worker image and what its bases were replaced by.
set -euo pipefail
cd "$(dirname "$0")/.."
export BUILDAH_ISOLATION=chroot
ours=localhost/ralph-worker:test
naive=localhost/ralph-naive:test

say() { echo "image: $*" >&2; }
arg() { sed -n "s/^ARG $1=//p" docker/worker.Dockerfile; }
have() { buildah inspect --type image "$1" >/dev/null 2>&1; }
# shellcheck source=docker/stand-in.sh
. docker/stand-in.sh

if ! have "$ours"; then
    echo "error: there is no worker image yet" >&2
    echo "hint: just test-image" >&2
    exit 1
fi
base=$(sed -n 's/^FROM //p' bench/naive.Dockerfile)
if ! have "$base" && ! timeout 60 buildah pull --quiet "$base" >/dev/null 2>&1; then
    stand_in_debian "$base"
fi
npmrc=$(mktemp)
trap 'rm -f "$npmrc"' EXIT
# The certificates as a file: what npm installs gets its settings as variables, which may not be as long.
{ npm_settings | grep -v '^ca' && echo cafile=/run/secrets/certificates; } >"$npmrc"
buildah build --network host --secret "id=npmrc,src=$npmrc" \
    --secret id=certificates,src=/etc/ssl/certs/ca-certificates.crt --file bench/naive.Dockerfile --tag "$naive" \
    --build-arg "CLAUDE_CODE_VERSION=$(arg CLAUDE_CODE_VERSION)" . >&2

# Bytes of all files, in MB (10^6).
size() {
    local container root bytes
    container=$(buildah from "$1")
    root=$(buildah mount "$container")
    bytes=$(du -sb "$root" | cut -f1)
    buildah unmount "$container" >/dev/null
    buildah rm "$container" >/dev/null
    echo $((bytes / 1000000))
}
a=$(size "$ours")
b=$(size "$naive")
buildah rmi --force "$naive" >/dev/null
# A task waits until its image is pulled: with all the tools in it, it may have half of the naive one's size.
jq -cn --argjson a "$a" --argjson b "$b" '{name: "worker image, all files", unit: "MB", ours: $a, peer: $b,
    peerName: "ubuntu, nodejs, npm install", ratio: ($a / $b * 1000 | round / 1000),
    goal: ($b / 2 | round), met: ($a <= $b / 2)}'

mapfile -t podman < <(RALPH_BUILDER=podman docker/engine.sh)
"${podman[@]}" history --human=false --no-trunc --format json "$ours" | jq -c '
    def part:
        if test("in /usr/local/bin/ralph-loop-cloud") then "the worker"
        elif test("in /usr/local/bin/claude") then "claude"
        elif test("in /usr/local/bin/mise") then "mise"
        elif test("python3-pip") then "Python"
        elif test("libc6-dev") then "the compilers"
        elif test("git-lfs") then "git and small tools"
        else "the base" end;
    group_by(.CreatedBy | part)[] | {name: "worker image, \(.[0].CreatedBy | part)", unit: "MB",
        ours: (map(.size) | add / 1e6 | round), peer: null, peerName: null, ratio: null, goal: null, met: null}'
