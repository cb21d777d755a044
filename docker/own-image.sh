#!/bin/sh
# Builds an image that docs/images.md describes, from the page itself: what it says is what is tested.
#   docker/own-image.sh NUMBER IMAGE [ARG=VALUE …]
# NUMBER counts the page's Dockerfiles from 1. Each ARG is one of that Dockerfile's.
set -eu
cd "$(dirname "$0")/.."
number=$1 image=$2
shift 2

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
awk -v number="$number" '/^```dockerfile$/ { block += 1; inside = 1; next } /^```$/ { inside = 0 }
    inside && block == number' docs/images.md >"$folder/Dockerfile"
if [ ! -s "$folder/Dockerfile" ]; then
    echo "error: docs/images.md has no Dockerfile $number" >&2
    exit 1
fi
builder=$(docker/engine.sh build)
for value in "$@"; do
    set -- "$@" --build-arg "$value"
    shift
done
case $builder in
docker) ;;
*) set -- --network host --layers "$@" ;;
esac
# shellcheck disable=SC2086 # a program and its arguments, on purpose
$builder build "$@" --file "$folder/Dockerfile" --tag "$image" "$folder"
