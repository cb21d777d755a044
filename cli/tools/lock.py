"""Write the pinned requirement files beside this script: every file of each release by its hash.

Run it in a virtual environment that holds the wanted versions (`pip install awscli
ministack cargo-lambda rust-just awslogs`), with the address of a package index that has a simple HTML listing: it
asks there for the hashes of what is installed.
"""

import pathlib
import re
import sys
import urllib.parse
import urllib.request
from importlib import metadata

HERE = pathlib.Path(__file__).parent
# A file and the packages it installs, with everything they need.
FILES = {
    "aws.txt": ["awscli"],
    "awslogs.txt": ["awslogs"],
    "just.txt": ["rust-just"],
    "cargo-lambda.txt": ["cargo-lambda"],
    "local-cloud.txt": ["ministack"],
}


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def needs(name, found):
    """Adds `name` and what it requires without extras to `found`."""
    name = normal(name)
    if name in found:
        return
    found[name] = metadata.version(name)
    for requirement in metadata.requires(name) or []:
        spec, _, marker = requirement.partition(";")
        wanted = re.match(r"[A-Za-z0-9._-]+", spec).group()
        if "extra" in marker:
            continue
        try:
            needs(wanted, found)
        except metadata.PackageNotFoundError:
            raise SystemExit(f"{wanted} is needed on some Python: install it here too") from None


def hashes(name, version):
    page = urllib.request.urlopen(f"{sys.argv[1]}/{name}/").read().decode()
    parts = "[-_.]".join(map(re.escape, name.split("-")))
    stem = re.compile(rf"^{parts}-{re.escape(version)}[-.]", re.I)
    for href in re.findall(r'href="([^"]+)"', page):
        url, _, digest = href.partition("#sha256=")
        file = urllib.parse.unquote(url.rsplit("/", 1)[1])
        if digest and stem.match(file):
            yield digest


def main():
    for file, roots in FILES.items():
        found = {}
        for root in roots:
            needs(root, found)
        lines = ["# Pinned by cli/tools/lock.py; installed with --require-hashes."]
        for name, version in sorted(found.items()):
            lines.append(f"{name}=={version} \\")
            digests = sorted(set(hashes(name, version)))
            assert digests, f"no file of {name} {version}"
            lines.append(" \\\n".join(f"    --hash=sha256:{digest}" for digest in digests))
        (HERE / file).write_text("\n".join(lines) + "\n")


main()
