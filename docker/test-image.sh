#!/bin/bash
# Builds the worker image with buildah and tests it: in containers where an engine answers, otherwise
# in a changed root. Needs root: chroot isolation and mounts.
# Where a base image cannot be had, a stand-in under its name takes its place, and that is said.
#   docker/test-image.sh
set -euo pipefail
cd "$(dirname "$0")/.."
export BUILDAH_ISOLATION=chroot
image=localhost/ralph-worker:test
scratch=$(mktemp -d)
failures=0

say() { echo "image: $*"; }
fail() { echo "image: FAILED: $*" >&2; failures=$((failures + 1)); }
check() { # check WHAT EXPECTED FOUND
    if [ "$2" = "$3" ]; then say "ok: $1 ($3)"; else fail "$1: expected $2, found $3"; fi
}
need() {
    command -v "$1" >/dev/null 2>&1 && return
    echo "error: $1 is not installed" >&2
    echo "hint: $2" >&2
    exit 1
}

need buildah "apt-get install buildah"
need cargo "see https://rustup.rs"
need strip "apt-get install binutils"
if [ "$(id -u)" != 0 ]; then
    echo "error: the image test mounts and changes roots, which only root can" >&2
    echo "hint: run it as root, for example in a virtual machine" >&2
    exit 1
fi
# shellcheck source=docker/stand-in.sh
. docker/stand-in.sh

mounted=
engine=()
name=ralph-image-test-$$
cleanup() {
    set +e
    if [ ${#engine[@]} -gt 0 ]; then "${engine[@]}" rm --force "$name" >/dev/null 2>&1; fi
    if [ -n "$mounted" ]; then
        buildah unmount "$mounted" >/dev/null 2>&1
        buildah rm "$mounted" >/dev/null 2>&1
    fi
    rm -rf "$scratch"
}
trap cleanup EXIT

arg() { sed -n "s/^ARG $1=//p" docker/worker.Dockerfile; }
have() { buildah inspect --type image "$1" >/dev/null 2>&1 || timeout 60 buildah pull --quiet "$1" >/dev/null 2>&1; }

# ---- bases ------------------------------------------------------------------------------------
rust=$(arg RUST_IMAGE)
node=$(arg NODE_IMAGE)
if ! have "$node"; then
    need debootstrap "apt-get install debootstrap"
    need npm "install Node.js"
    stand_in_node "$node" "$(echo "$node" | sed 's/.*:\([0-9.]*\)-.*/\1/')"
fi
# A stand-in of an earlier run holds the worker of that run's sources.
stand_in_of() { buildah inspect --type image --format '{{index .OCIv1.Config.Labels "ralph.stand-in"}}' "$rust"; }
if ! have "$rust" || { [ -n "$(stand_in_of)" ] && [ "$(stand_in_of)" != "$(worker_sources)" ]; }; then
    need debootstrap "apt-get install debootstrap"
    # Stripped afterwards, not by cargo's setting: that would compile everything again.
    cargo build --quiet --release --locked -p ralph-worker --bin ralph-loop-cloud
    cp "${CARGO_TARGET_DIR:-target}/release/ralph-loop-cloud" "$scratch/worker"
    strip "$scratch/worker"
    stand_in_rust "$rust" "$scratch/worker"
fi

# ---- build, with secrets around that must not end up in it --------------------------------------
canary="canary-$(head -c 12 /dev/urandom | od -An -tx1 | tr -d ' \n')"
began=$(date +%s)
RALPH_ANTHROPIC_KEYS="{\"keys\":[{\"id\":\"a\",\"value\":\"$canary\"}]}" RALPH_GIT_TOKEN="$canary" \
    RALPH_BUILDER=buildah docker/build.sh "$image" >"$scratch/build.log" 2>&1 || {
    tail -n 30 "$scratch/build.log" >&2
    exit 1
}
say "built in $(($(date +%s) - began)) s"

# ---- the image's own labels and settings --------------------------------------------------------
config() { buildah inspect --type image --format "$1" "$image"; }
check "user" "10001:10001" "$(config '{{.OCIv1.Config.User}}')"
check "entry point" "[/usr/local/bin/ralph-loop-cloud]" "$(config '{{.OCIv1.Config.Entrypoint}}')"
check "volumes" "map[/tmp:{} /workspace:{}]" "$(config '{{.OCIv1.Config.Volumes}}')"
check "label of the agent" "@anthropic-ai/claude-code@$(arg CLAUDE_CODE_VERSION)" \
    "$(config '{{index .OCIv1.Config.Labels "ralph.agent"}}')"
check "label of the base" "$node" "$(config '{{index .OCIv1.Config.Labels "org.opencontainers.image.base.name"}}')"

# ---- what is in it ------------------------------------------------------------------------------
mounted=$(buildah from "$image")
root=$(buildah mount "$mounted")
check "owner of /workspace" "10001:10001" "$(stat -c %u:%g "$root/workspace")"
check "mode of /tmp" "1777" "$(stat -c %a "$root/tmp")"
for tool in gcc cc make cargo rustc; do
    for folder in usr/local/bin usr/bin bin; do
        if [ -e "$root/$folder/$tool" ]; then fail "$tool is in the image"; fi
    done
done
say "size: $(du -sm --apparent-size "$root" | cut -f1) MB, of it the agent $(du -m --apparent-size "$root/usr/local/bin/claude" | cut -f1) MB, the worker $(du -m --apparent-size "$root/usr/local/bin/ralph-loop-cloud" | cut -f1) MB"

buildah push --quiet "$image" "oci:$scratch/oci" >/dev/null
leaks=0
for blob in "$scratch"/oci/blobs/sha256/*; do
    # Layers are compressed; configuration and manifest are not.
    if { gzip -dc "$blob" 2>/dev/null || cat "$blob"; } | grep -aqF "$canary"; then leaks=$((leaks + 1)); fi
done
check "layers and history with the secret" 0 "$leaks"
say "compressed: $(du -sm "$scratch/oci" | cut -f1) MB"

# ---- run it: read-only root, two volumes, no network, the worker as PID 1 -----------------------
# inside [COMMAND …]: the entry point or a command, with `vars` as the environment
mkdir -m 700 "$scratch/workspace" "$scratch/tmp"
chown 10001:10001 "$scratch/workspace" "$scratch/tmp"
if docker/engine.sh run >"$scratch/run" 2>"$scratch/stderr"; then
    mapfile -t engine < <(docker/engine.sh)
    mapfile -t run <"$scratch/run"
    # What buildah builds, podman has; docker has a store of its own.
    if [ "${engine[0]}" = docker ]; then
        buildah push --quiet "$image" "docker-archive:$scratch/image.tar:$image" >/dev/null
        docker load --quiet --input "$scratch/image.tar" >/dev/null
        rm "$scratch/image.tar"
    fi
    vars=()
    # More arguments of one container.
    with=()
    inside() {
        local each names=() command=()
        # By name: an argument could be read by others.
        for each in "${vars[@]}"; do names+=(--env "${each%%=*}"); done
        if [ $# -gt 0 ]; then command=(--entrypoint "$1" "$image" "${@:2}"); else command=("$image"); fi
        env "${vars[@]}" timeout 300 "${run[@]}" --rm --name "$name" --network none --read-only \
            --user 10001:10001 --cap-drop all --security-opt no-new-privileges --stop-timeout 120 \
            --volume "$scratch/workspace:/workspace" --volume "$scratch/tmp:/tmp" "${with[@]}" "${names[@]}" \
            "${command[@]}"
    }
    if ! inside true; then
        echo "error: ${engine[0]} answers, but starts no container" >&2
        exit 1
    fi
    say "runs in containers of ${engine[*]}"
else
    cat >"$scratch/inside.sh" <<'END'
set -e
root=$1
workspace=$2
shift 2
ip link set lo up
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount --bind "$workspace" "$root/workspace"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
# The root changes first: setpriv drops the right to.
exec chroot "$root" /usr/bin/setpriv --reuid=10001 --regid=10001 --clear-groups --bounding-set=-all \
    --inh-caps=-all --no-new-privs "$@"
END
    inside() {
        if [ $# = 0 ]; then set -- /usr/local/bin/ralph-loop-cloud; fi
        unshare --mount --net --pid --fork --kill-child --propagation private \
            env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/workspace "${vars[@]}" \
            sh "$scratch/inside.sh" "$root" "$scratch/workspace" "$@"
    }
    say "runs in a changed root: $(sed -n 's/^error: //p' "$scratch/stderr")"
fi
vars=(LANG=C.UTF-8)

check "the agent's version" "$(arg CLAUDE_CODE_VERSION)" "$(inside claude --version | cut -d' ' -f1)"
check "uid" "10001" "$(inside id -u)"
check "capabilities" "0000000000000000" "$(inside sed -n 's/^CapBnd:\t//p' /proc/self/status)"
check "no new privileges" 1 "$(inside sed -n 's/^NoNewPrivs:\t//p' /proc/self/status)"
for tool in git git-lfs curl jq node; do
    if inside "$tool" --version >/dev/null; then say "ok: $tool runs"; else fail "$tool does not run"; fi
done
if inside node -e 'process.exit(parseInt(process.versions.node) >= 22 ? 0 : 1)'; then
    say "ok: node is 22 or later"
else
    fail "node is too old"
fi
if inside sh -c 'echo x > /usr/x' 2>/dev/null; then fail "the root can be written"; else say "ok: the root is read-only"; fi
if inside sh -c 'echo x > /workspace/x && echo x > /tmp/x'; then say "ok: the volumes can be written"; else fail "a volume cannot be written"; fi

# ---- the agent through the worker, offline: a classified end, not a hang -------------------------
git init -q --bare -b main "$scratch/workspace/remote.git"
git clone -q "$scratch/workspace/remote.git" "$scratch/seed" 2>/dev/null
echo "Say hello." >"$scratch/seed/PROMPT.md"
git -C "$scratch/seed" -c user.name=x -c user.email=x@example.invalid -c core.hooksPath=/dev/null \
    -c commit.gpgSign=false commit -q --allow-empty -m first
git -C "$scratch/seed" add -A
git -C "$scratch/seed" -c user.name=x -c user.email=x@example.invalid commit -q -m prompt
git -C "$scratch/seed" push -q origin HEAD:main
chown -R 10001:10001 "$scratch/workspace"
vars=(
    RALPH_WORKSTREAM=image-test RALPH_REPO=file:///workspace/remote.git RALPH_ALLOW_FILE_REPO=1
    RALPH_MAX_ITERATIONS=1 RALPH_MAX_DURATION_SECS=240 RALPH_MAX_COST_USD=1
    RALPH_ITERATION_TIMEOUT_SECS=60 RALPH_SILENCE_SECS=60 RALPH_MAX_STALLS=1 RALPH_GIT_TOKEN={}
    "RALPH_ANTHROPIC_KEYS={\"keys\":[{\"id\":\"a\",\"value\":\"$canary\"}]}"
)
set +e
inside >"$scratch/events" 2>"$scratch/stderr"
code=$?
set -e
outcome=$(jq -r 'select(.type == "iter.end") | .outcome' "$scratch/events" | head -n 1)
last=$(jq -r '.type' "$scratch/events" | tail -n 1)
check "last event" "run.end" "$last"
check "exit code of the last event" "$code" "$(jq -r 'select(.type == "run.end") | .exit' "$scratch/events")"
case $outcome in
transient | timeout | limit | noKey | crash) say "ok: offline, the agent's attempt is \`$outcome\`, the run ends with $code" ;;
*) fail "offline, the agent's attempt is \`$outcome\`: $(tail -n 3 "$scratch/events" "$scratch/stderr")" ;;
esac
if ! jq -r '.text // empty' "$scratch/events" | grep -q 'agent started'; then
    fail "the agent did not start: $(jq -r '.text // empty' "$scratch/events" | tail -n 5)"
fi
if grep -aqF "$canary" "$scratch/events" "$scratch/stderr"; then fail "a secret is in the output"; fi

# ---- an agent that looks for the key, in the image as it is -----------------------------------------
settings=("${vars[@]}")
vars+=("RALPH_AGENT_COMMAND=sh -c 'cat /proc/1/environ /proc/1/mem 2>&1; echo end of environ'")
inside >"$scratch/events" 2>"$scratch/stderr" || true
seen=$(jq -r 'select(.type == "agent.text") | .text' "$scratch/events")
check "refused by the worker's process" 2 "$(echo "$seen" | grep -c 'Permission denied')"
check "the agent looked" 1 "$(echo "$seen" | grep -c 'end of environ')"

# ---- what only a container has: a second process from outside, a limit, an engine that stops it -----
if [ ${#engine[@]} -gt 0 ]; then
    vars=(LANG=C.UTF-8)
    with=(--memory 512m)
    if limit=$(inside sh -c 'cd /sys/fs/cgroup; cat memory.max 2>/dev/null || cat memory/memory.limit_in_bytes' 2>&1); then
        check "memory in bytes" $((512 * 1024 * 1024)) "$limit"
    else
        say "not checked: this machine's cgroups limit no memory: $limit"
    fi
    with=()

    vars=("${settings[@]}" "RALPH_AGENT_COMMAND=sh -c 'echo half >work.txt; echo at work; exec sleep 600'")
    inside >"$scratch/events" 2>"$scratch/stderr" &
    container=$!
    until grep -q 'at work' "$scratch/events" || ! kill -0 "$container" 2>/dev/null; do sleep 0.1; done
    # shellcheck disable=SC2016 # the container's shell reads the variable
    denied=$("${engine[@]}" exec "$name" sh -c \
        'for file in environ mem maps auxv; do head -c 1 /proc/1/$file; done; ls /proc/1/fd' 2>&1) || true
    check "refused to a second process" 5 "$(echo "$denied" | grep -c 'Permission denied')"
    began=$(date +%s)
    "${engine[@]}" stop "$name" >/dev/null || true
    code=0
    wait "$container" || code=$?
    check "exit code once ${engine[0]} stops it" 75 "$code"
    say "stopped in $(($(date +%s) - began)) s"
    check "work that was under way" half \
        "$(git -C "$scratch/workspace/remote.git" -c safe.directory='*' show ralph/image-test:work.txt 2>&1)"
fi

if [ "$failures" != 0 ]; then
    say "$failures checks failed"
    exit 1
fi
say "all checks passed"
