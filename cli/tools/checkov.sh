#!/bin/sh
# Scans terraform/ with checkov, pinned by hash in a virtual environment of its own. Fails on
# whatever is not skipped beside its resource; docs/checkov.md lists the skips with their reasons.
set -eu
cd "$(dirname "$0")/../.."
venv=.tools/venv-checkov
pins=cli/tools/checkov.txt
if ! cmp -s "$pins" "$venv/requirements.txt"; then
    mkdir -p .tools
    rm -rf "$venv"
    {
        python3 -m venv "$venv" &&
            "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
                --require-hashes -r "$pins"
    } >.tools/checkov.log 2>&1 || {
        tail -n 5 .tools/checkov.log >&2
        echo "error: checkov cannot be installed
hint: its pins are for Linux x86_64 with Python 3.11; the whole output is in .tools/checkov.log" >&2
        exit 1
    }
    cp "$pins" "$venv/requirements.txt"
fi
# The roots call the modules, so that each module is seen as it is used and by itself.
"$venv/bin/checkov" --directory "${1:-terraform}" --framework terraform --compact --quiet --skip-download
