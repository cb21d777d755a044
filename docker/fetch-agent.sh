#!/bin/sh
# Fetches the agent that docker/worker.Dockerfile pins into .tools, once, and prints its folder.
set -eu
cd "$(dirname "$0")/.."
arg() { sed -n "s/^ARG $1=//p" docker/worker.Dockerfile; }

version=$(arg CLAUDE_CODE_VERSION)
folder=$PWD/.tools/claude-$version
if [ ! -x "$folder/claude" ]; then
    docker/fetch-binary.sh @anthropic-ai/claude-code-linux "$version" \
        "$(arg CLAUDE_CODE_INTEGRITY_X64)" "$(arg CLAUDE_CODE_INTEGRITY_ARM64)" claude "$folder/claude"
fi
# 400 MB each.
for other in .tools/claude-[0-9]*; do
    [ "$PWD/$other" = "$folder" ] || rm -rf "$other"
done
echo "$folder"
