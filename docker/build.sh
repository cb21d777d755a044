#!/bin/sh
# Builds the worker image with docker, podman or buildah, whichever docker/engine.sh finds.
#   docker/build.sh [image name]       default: ralph-worker:dev
# RALPH_BUILDER names one of the three. RALPH_BUILD_ARGS is passed on to it.
set -eu
cd "$(dirname "$0")/.."
image=${1:-ralph-worker:dev}

builder=$(docker/engine.sh build)

# The architecture that the task definition names: a tag cannot be moved once it is pushed.
# shellcheck source=docker/worker.env
. docker/worker.env
case $ARCHITECTURE in
arm64) platform=linux/arm64 host=aarch64 ;;
x86_64) platform=linux/amd64 host=x86_64 ;;
*)
    echo "error: cannot build for \`$ARCHITECTURE\`, which docker/worker.env names" >&2
    echo "hint: write it again with \`just gen\`" >&2
    exit 1
    ;;
esac
case $(uname -sm) in
"Linux $host") platform= ;;
esac
# Without a network of its own: buildah's chroot isolation has none to give, and podman without
# iptables neither.
case $builder in
docker) network= ;;
*) network=host ;;
esac

# shellcheck disable=SC2086 # several arguments, separated by white space, on purpose
$builder build ${RALPH_BUILD_ARGS:-} ${platform:+--platform "$platform"} ${network:+--network "$network" --layers} \
    --file docker/worker.Dockerfile --tag "$image" .
echo "built $image with ${builder%%[!a-z]*}"
