#!/bin/sh
# Builds the worker image with docker, podman or buildah, whichever is there.
#   docker/build.sh [image name]       default: ralph-worker:dev
# RALPH_BUILDER names one of the three. RALPH_BUILD_ARGS is passed on to it.
set -eu
cd "$(dirname "$0")/.."
image=${1:-ralph-worker:dev}

builder=${RALPH_BUILDER:-}
if [ -z "$builder" ]; then
    for candidate in docker podman buildah; do
        if command -v "$candidate" >/dev/null 2>&1; then
            builder=$candidate
            break
        fi
    done
fi

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

# shellcheck disable=SC2086 # several arguments, separated by spaces, on purpose
case $builder in
docker | podman)
    "$builder" build ${RALPH_BUILD_ARGS:-} ${platform:+--platform "$platform"} --file docker/worker.Dockerfile --tag "$image" .
    ;;
buildah)
    # Without a network of its own: the chroot isolation has none to give.
    buildah build ${RALPH_BUILD_ARGS:-} ${platform:+--platform "$platform"} --network host --layers \
        --file docker/worker.Dockerfile --tag "$image" .
    ;;
*)
    echo "error: there is no docker, podman or buildah" >&2
    echo "hint: install one of them; on Debian: apt-get install buildah" >&2
    exit 1
    ;;
esac
echo "built $image with $builder"
