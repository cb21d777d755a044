#!/bin/sh
# Fetches the agent that docker/worker.Dockerfile pins into .tools, once, and prints its folder.
set -eu
cd "$(dirname "$0")/.."
arg() { sed -n "s/^ARG $1=//p" docker/worker.Dockerfile; }

version=$(arg CLAUDE_CODE_VERSION)
folder=$PWD/.tools/claude-$version
if [ ! -x "$folder/claude" ]; then
    arch=$(node -p process.arch)
    case $arch in
        x64) want=$(arg CLAUDE_CODE_INTEGRITY_X64) ;;
        arm64) want=$(arg CLAUDE_CODE_INTEGRITY_ARM64) ;;
        *) echo "error: there is no agent for $arch" >&2; exit 1 ;;
    esac
    mkdir -p .tools
    scratch=$(mktemp -d .tools/fetch-XXXXXX)
    trap 'rm -rf "$scratch"' EXIT
    package=@anthropic-ai/claude-code-linux-$arch@$version
    file=$scratch/$(npm pack --loglevel error --pack-destination "$scratch" "$package")
    have=$(node -e 'const c = require("crypto"), f = require("fs"); console.log("sha512-" + c.createHash("sha512").update(f.readFileSync(process.argv[1])).digest("base64"))' "$file")
    if [ "$have" != "$want" ]; then
        echo "error: the agent's package is not the pinned one: $have" >&2
        echo "hint: change version and integrity in docker/worker.Dockerfile together" >&2
        exit 1
    fi
    tar -xzf "$file" -C "$scratch" package/claude
    mkdir -p "$folder"
    chmod 755 "$scratch/package/claude"
    # Whole or not at all.
    mv "$scratch/package/claude" "$folder/claude"
fi
# 400 MB each.
for other in .tools/claude-[0-9]*; do
    [ "$PWD/$other" = "$folder" ] || rm -rf "$other"
done
echo "$folder"
