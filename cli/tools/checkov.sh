#!/bin/sh
# Scans terraform/ with checkov, pinned by hash in a virtual environment of its own. Fails on
# whatever is not skipped beside its resource; docs/checkov.md lists the skips with their reasons.
set -eu
cd "$(dirname "$0")/../.."
bin=$(python3 cli/tools/install.py .tools/venv-checkov <cli/tools/checkov.txt) || {
    echo "hint: checkov's pins are for Linux x86_64 with Python 3.11" >&2
    exit 1
}
# The roots call the modules, so that each module is seen as it is used and by itself.
"$bin/checkov" --directory "${1:-terraform}" --framework terraform --compact --quiet --skip-download
