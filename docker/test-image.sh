#!/bin/bash
# Builds the worker image with buildah and tests it: in containers where an engine answers, otherwise
# in a changed root. Then the images that docs/images.md describes, and in one of them a Python and a Rust
# repository, each verified by its own tests. Needs root: chroot isolation and mounts.
# Where a base image cannot be had, a stand-in under its name takes its place, and that is said.
#   docker/test-image.sh
set -euo pipefail
cd "$(dirname "$0")/.."
export BUILDAH_ISOLATION=chroot
image=localhost/ralph-worker:test
own=localhost/ralph-own:test
other=localhost/ralph-other:test
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
# In the settings too: npm takes the line for a comment.
{ npm_settings && echo "# $canary"; } >"$scratch/npmrc"
began=$(date +%s)
RALPH_ANTHROPIC_KEYS="{\"keys\":[{\"id\":\"a\",\"value\":\"$canary\"}]}" RALPH_GIT_TOKEN="$canary" \
    RALPH_BUILD_ARGS="--secret id=npmrc,src=$scratch/npmrc" RALPH_BUILDER=buildah \
    docker/build.sh "$image" >"$scratch/build.log" 2>&1 || {
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
root=
# Mounts an image, in place of the one before.
mount_image() {
    if [ -n "$mounted" ]; then buildah unmount "$mounted" >/dev/null && buildah rm "$mounted" >/dev/null; fi
    mounted=$(buildah from "$1")
    root=$(buildah mount "$mounted")
}
mount_image "$image"
check "owner of /workspace" "10001:10001" "$(stat -c %u:%g "$root/workspace")"
check "mode of /tmp" "1777" "$(stat -c %a "$root/tmp")"
check "npm settings of this machine" "" "$(find "$root" -name .npmrc -o -path '*/etc/npmrc')"
say "size: $(du -sm --apparent-size "$root" | cut -f1) MB, of it the agent $(du -m --apparent-size "$root/usr/local/bin/claude" | cut -f1) MB, the worker $(du -m --apparent-size "$root/usr/local/bin/ralph-loop-cloud" | cut -f1) MB"

buildah push --quiet "$image" "oci:$scratch/oci" >/dev/null
leaks=0
for blob in "$scratch"/oci/blobs/sha256/*; do
    # Layers are compressed; configuration and manifest are not.
    if { gzip -dc "$blob" 2>/dev/null || cat "$blob"; } | grep -aqF "$canary"; then leaks=$((leaks + 1)); fi
done
check "layers and history with a secret" 0 "$leaks"
say "compressed: $(du -sm "$scratch/oci" | cut -f1) MB"

# ---- run it: read-only root, two volumes, no network, the worker as PID 1 -----------------------
# inside [COMMAND …]: the entry point or a command, with `vars` as the environment
mkdir -m 700 "$scratch/workspace" "$scratch/tmp"
chown 10001:10001 "$scratch/workspace" "$scratch/tmp"
if docker/engine.sh run >"$scratch/run" 2>"$scratch/stderr"; then
    mapfile -t engine < <(docker/engine.sh)
    mapfile -t run <"$scratch/run"
    # Lets `inside` run another image. What buildah builds, podman has; docker has a store of its own.
    change_to() {
        image=$1
        [ "${engine[0]}" = docker ] || return 0
        buildah push --quiet "$1" "docker-archive:$scratch/image.tar:$1" >/dev/null
        docker load --quiet --input "$scratch/image.tar" >/dev/null
        rm "$scratch/image.tar"
    }
    change_to "$image"
    vars=()
    network=none
    # More arguments of one container.
    with=()
    inside() {
        local each names=() command=()
        # By name: an argument could be read by others.
        for each in "${vars[@]}"; do names+=(--env "${each%%=*}"); done
        if [ $# -gt 0 ]; then command=(--entrypoint "$1" "$image" "${@:2}"); else command=("$image"); fi
        env "${vars[@]}" timeout 300 "${run[@]}" --rm --name "$name" --network "$network" --read-only \
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
    change_to() { mount_image "$1"; }
    say "runs in a changed root: $(sed -n 's/^error: //p' "$scratch/stderr")"
fi
vars=(LANG=C.UTF-8)

check "the agent's version" "$(arg CLAUDE_CODE_VERSION)" "$(inside claude --version | cut -d' ' -f1)"
check "uid" "10001" "$(inside id -u)"
check "capabilities" "0000000000000000" "$(inside sed -n 's/^CapBnd:\t//p' /proc/self/status)"
check "no new privileges" 1 "$(inside sed -n 's/^NoNewPrivs:\t//p' /proc/self/status)"
for tool in git git-lfs curl jq node npm rg less mise pkg-config; do
    if inside "$tool" --version >/dev/null; then say "ok: $tool runs"; else fail "$tool does not run"; fi
done
if inside ssh -V 2>/dev/null; then say "ok: ssh runs"; else fail "ssh does not run"; fi
check "the pinned mise" "$(arg MISE_VERSION)" "$(inside mise --version 2>/dev/null | cut -d' ' -f1)"
if inside node -e 'process.exit(parseInt(process.versions.node) >= 22 ? 0 : 1)'; then
    say "ok: node is 22 or later"
else
    fail "node is too old"
fi
if inside sh -c 'echo x > /usr/x' 2>/dev/null; then fail "the root can be written"; else say "ok: the root is read-only"; fi
if inside sh -c 'echo x > /workspace/x && echo x > /tmp/x'; then say "ok: the volumes can be written"; else fail "a volume cannot be written"; fi

# ---- the tools, each at its work: only the volumes can be written -------------------------------------
# shellcheck disable=SC2016 # the container's shell reads the variables
tools='set -eu
cd /tmp
mkdir tools
cd tools
printf "int answer(void) { return 42; }\n" >answer.c
printf "#include <iostream>\nextern \"C\" int answer();\nint main() { std::cout << answer() << std::endl; }\n" >main.cc
printf "answer: main.cc answer.o\n\tc++ -o answer main.cc answer.o\nanswer.o: answer.c\n\tcc -c answer.c\n" >Makefile
make --silent answer
[ "$(./answer)" = 42 ]
echo made
python3 -m venv venv
mkdir -p package/small
printf "[project]\nname = \"small\"\nversion = \"1\"\n" >package/pyproject.toml
echo "ANSWER = 42" >package/small/__init__.py
# Without the network: what builds the package is Debian'"'"'s.
python3 -m venv --system-site-packages --without-pip build
venv/bin/pip --version >/dev/null
build/bin/python -m pip install --quiet --disable-pip-version-check --no-index --no-build-isolation ./package
[ "$(build/bin/python -c "import small; print(small.ANSWER)")" = 42 ]
echo installed
echo one >file
tar -cJf file.tar.xz file
echo two >other
diff -u file other >patch.diff || true
patch --quiet file patch.diff
[ "$(cat file)" = two ]
tar -xJf file.tar.xz
[ "$(cat file)" = one ]
python3 -c "import zipfile; zipfile.ZipFile(\"file.zip\", \"w\").write(\"other\")"
rm other
unzip -q file.zip
[ "$(cat other)" = two ]
echo unpacked
'
check "a C and a C++ program, a Python package, archives and a patch" "made installed unpacked" \
    "$(inside sh -c "$tools" 2>&1 | tr '\n' ' ' | sed 's/ $//')"

# ---- the agent through the worker, offline: a classified end, not a hang -------------------------
# repository NAME: a bare one beside the checkouts, with what lies in $scratch/NAME
repository() {
    git init -q --bare -b main "$scratch/workspace/$1.git"
    git -C "$scratch/$1" init -q -b main
    git -C "$scratch/$1" add -A
    git -C "$scratch/$1" -c user.name=x -c user.email=x@example.invalid -c core.hooksPath=/dev/null \
        -c commit.gpgSign=false commit -q -m first
    git -C "$scratch/$1" push -q "$scratch/workspace/$1.git" HEAD:main
    chown -R 10001:10001 "$scratch/workspace"
}
mkdir "$scratch/remote"
echo "Say hello." >"$scratch/remote/PROMPT.md"
repository remote
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

# ---- a tool that mise installs, below /workspace ---------------------------------------------------------
if [ ${#engine[@]} -gt 0 ]; then
    network=host
    mkdir "$scratch/workspace/tools"
    cp "$scratch/npmrc" "$scratch/workspace/tools/npmrc"
    printf '[tools]\n"npm:cowsay" = "1.6.0"\n' >"$scratch/workspace/tools/mise.toml"
    chown -R 10001:10001 "$scratch/workspace/tools"
    # npm installs it: mise's own installer refuses a registry that does not say how old a package is.
    vars=(
        HOME=/workspace/tools/home MISE_DATA_DIR=/workspace/tools/mise MISE_YES=1 MISE_NPM_PACKAGE_MANAGER=npm
        MISE_TRUSTED_CONFIG_PATHS=/workspace NPM_CONFIG_USERCONFIG=/workspace/tools/npmrc
    )
    # shellcheck disable=SC2016 # the container's shell reads the variable
    said=$(inside bash -c 'cd /workspace/tools && mise install >&2 &&
        PATH=$MISE_DATA_DIR/shims:$PATH cowsay works' 2>"$scratch/stderr" | grep -c '< works >' || true)
    check "a tool of mise" 1 "$said"
    if [ "$said" != 1 ]; then tail -n 5 "$scratch/stderr" >&2; fi
    network=none
else
    say "not checked: a tool that mise installs; a changed root has no network"
fi

# ---- Debian packages of one's own ------------------------------------------------------------------------
# packages NAMES: builds the image with them
packages() {
    RALPH_BUILD_ARGS="--force-rm --secret id=npmrc,src=$scratch/npmrc" RALPH_BUILDER=buildah \
        docker/build.sh localhost/ralph-packages:test --packages "$1" 2>&1
}
if said=$(packages no-such-package); then fail "a package that Debian does not know is built"; fi
check "apt's message and a hint about an unknown package" 2 \
    "$(echo "$said" | grep -cE '^E: Unable to locate package no-such-package|^hint: look the names of --packages up')"
if said=$(packages "file bc"); then
    worker=$image
    change_to localhost/ralph-packages:test
    vars=(LANG=C.UTF-8)
    check "two packages of one's own" 42 "$(inside sh -c 'file --version >/dev/null && echo 6*7 | bc')"
    change_to "$worker"
    buildah rmi --force localhost/ralph-packages:test >/dev/null
else
    fail "packages of one's own: $(echo "$said" | tail -n 5)"
fi

# ---- the images of docs/images.md, and in the first one two repositories with tests of their own ---------
began=$(date +%s)
worker=$image
for number in 1 2; do
    case $number in
    1) name_of=$own more=() ;;
    2) name_of=$other more=("BASE=$node") ;;
    esac
    if ! RALPH_BUILDER=buildah docker/own-image.sh $number "$name_of" "WORKER=$worker" "${more[@]}" >"$scratch/build.log" 2>&1; then
        tail -n 30 "$scratch/build.log" >&2
        exit 1
    fi
done
say "the images of docs/images.md: built in $(($(date +%s) - began)) s"
cargo build --quiet --bin ralph-scripted-agent
cp "${CARGO_TARGET_DIR:-target}/debug/ralph-scripted-agent" docker/fixtures/*.json "$scratch/workspace/"

# work NAME [VARIABLE=VALUE …]: the agent first breaks a repository's tests, then fixes them
work() {
    local name_of=$1
    cp -r "docker/fixtures/$name_of" "$scratch/$name_of"
    repository "$name_of"
    vars=("${settings[@]}" "RALPH_WORKSTREAM=$name_of" "RALPH_REPO=file:///workspace/$name_of.git" RALPH_MAX_ITERATIONS=3
        "RALPH_AGENT_COMMAND=/workspace/ralph-scripted-agent --scenario /workspace/$name_of.json" "${@:2}")
    began=$(date +%s)
    code=0
    inside >"$scratch/events" 2>"$scratch/stderr" || code=$?
    check "$name_of: exit code" 0 "$code"
    check "$name_of: iterations until its tests pass" 2 "$(jq -r 'select(.type == "iter.end") | .outcome' "$scratch/events" | wc -l)"
    if [ "$code" != 0 ]; then tail -n 5 "$scratch/events" "$scratch/stderr" >&2; fi
    say "$name_of: $(($(date +%s) - began)) s"
}
change_to "$own"
# Its .ralph/setup makes the virtual environment.
work python "RALPH_VERIFY_COMMAND=.venv/bin/python -m pytest -q"
check "python: pushed" "def median(values):" \
    "$(git -C "$scratch/workspace/python.git" -c safe.directory='*' show ralph/python:src/readings/__init__.py 2>&1 | grep median)"
work rust "RALPH_SETUP_COMMAND=cargo build --tests --locked --offline" "RALPH_VERIFY_COMMAND=cargo test --locked --offline"
check "rust: pushed" "pub fn median(values: &[f64]) -> Option<f64> {" \
    "$(git -C "$scratch/workspace/rust.git" -c safe.directory='*' show ralph/rust:src/lib.rs 2>&1 | grep median)"
change_to "$other"
vars=("${settings[@]}" RALPH_WORKSTREAM=other "RALPH_AGENT_COMMAND=sh -c 'echo works >other.txt'")
# As the task definition does.
inside /usr/local/bin/ralph-loop-cloud >"$scratch/events" 2>"$scratch/stderr" || true
check "the worker in another base: pushed" works \
    "$(git -C "$scratch/workspace/remote.git" -c safe.directory='*' show ralph/other:other.txt 2>&1)"

if [ "$failures" != 0 ]; then
    say "$failures checks failed"
    exit 1
fi
say "all checks passed"
