#!/bin/sh
# Builds the worker image with docker, podman or buildah, whichever docker/engine.sh finds.
#   docker/build.sh [image name] [--packages "NAME …"]       default: ralph-worker:dev
# --packages adds Debian packages, in a layer of their own.
# RALPH_BUILDER names one of the three. RALPH_BUILD_ARGS is passed on to it.
set -eu
cd "$(dirname "$0")/.."

wrong() {
    echo "error: $1" >&2
    echo "hint: $2" >&2
    exit 1
}
image= packages=
while [ $# -gt 0 ]; do
    case $1 in
    --packages)
        if [ $# -lt 2 ]; then wrong "--packages has no value" 'name Debian packages: --packages "cargo rustc"'; fi
        packages=$2
        shift
        ;;
    -*) wrong "docker/build.sh does not know \`$1\`" 'its only option is --packages "NAME …"' ;;
    *)
        if [ -n "$image" ]; then
            wrong "\`$1\` is a second image name" 'put the packages into one word: --packages "cargo rustc"'
        fi
        image=$1
        ;;
    esac
    shift
done
image=${image:-ralph-worker:dev}
# Nothing that the shell in the build, or apt, would take for more than a name: apt removes `git` for `git-`.
# https://www.debian.org/doc/debian-policy/ch-controlfields.html#source
LC_ALL=C
export LC_ALL
set -f
for package in $packages; do
    case $package in
    [!a-z0-9]* | *[!a-z0-9+.-]* | *-)
        wrong "\`$package\` is not the name of a Debian package" \
            "a name has small letters, digits, \`+\`, \`.\` and \`-\`, begins with a letter or a digit, and does not end with \`-\`"
        ;;
    esac
done
set +f

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
    ${packages:+--build-arg "PACKAGES=$packages"} --file docker/worker.Dockerfile --tag "$image" .
echo "built $image with ${builder%%[!a-z]*}"
