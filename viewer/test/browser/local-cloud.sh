#!/bin/sh
# Tests the page against the real local cloud: brings one up, runs the demo in it, and lets a real
# browser look at what came of it.
set -eu
cd "$(dirname "$0")/../../.."
target=${CARGO_TARGET_DIR:-target}
cargo build --quiet --bin ralph
program=$(cd "$target/debug" && pwd)/ralph

scratch=$(mktemp -d)
cloud=$scratch/cloud
"$program" local --scratch "$cloud" --workstream browser --workstream never-seen &
ralph=$!
trap 'kill -TERM $ralph 2>/dev/null || true; wait $ralph || true; rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM
until [ -e "$cloud/cloud.json" ]; do
    kill -0 $ralph 2>/dev/null || { echo "the local cloud did not come up" >&2; exit 1; }
    sleep 1
done

report=$("$program" demo --quiet --join "$cloud" --workstream browser)
echo "$report"
lines=$(echo "$report" | sed -n 's/^emitted=\([0-9]*\) .*/\1/p')
page=$(sed -n 's/.*"viewer": "\([^"]*\)".*/\1/p' "$cloud/cloud.json")
cd viewer
RALPH="$program" RALPH_PID="$ralph" RALPH_CLOUD="$cloud/cloud.json" RALPH_VIEW_URL="$page/w/browser" \
    RALPH_VIEW_LINES="$lines" npm run test:browser -- "$@"
