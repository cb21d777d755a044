"""Installs pinned tools into a virtual environment, unless they lie in it whole, and prints its folder of programs.

    python3 cli/tools/install.py .tools/venv-NAME < cli/tools/NAME.txt

Every virtual environment of this project is made here. `ralph` holds a copy of this file.
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys


def main(folder, pins):
    # The interpreters' lines in bin hold this path, so it is the one without symbolic links.
    venv = os.path.realpath(folder)
    os.makedirs(os.path.dirname(venv), exist_ok=True)
    # Two commands at once must not build the same environment over each other.
    with open(venv + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = os.path.join(venv, "installed.json")
        if read(stamp) != seal(venv, pins):
            install(venv, pins, lock)
            made = seal(venv, pins)
            if made is None:
                fail("%s cannot be read after its installation" % venv, "look at it, and remove it")
            # Written last: an environment that was cut off is made again.
            with open(stamp, "w") as file:
                file.write(made)
    print(os.path.join(venv, "bin"))


def read(file):
    try:
        with open(file) as text:
            return text.read()
    except OSError:
        return ""


def seal(venv, pins):
    """Tells a whole environment from one that was moved, copied, cut off or damaged. Reading every
    file would take seconds, so this holds the number of files and the sum of their sizes."""
    files = size = 0
    folders = [os.path.join(venv, "bin"), os.path.join(venv, "lib")]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        # Python writes there whenever it likes.
                        if entry.name != "__pycache__":
                            folders.append(entry.path)
                    else:
                        files += 1
                        # Follows links: the Python that bin/python names may have been removed.
                        size += entry.stat().st_size
        except OSError:
            return None
    return json.dumps({"path": venv, "pins": pins, "files": files, "size": size}, indent=1) + "\n"


def install(venv, pins, lock):
    if sys.version_info < (3, 10):
        fail("%s is Python %d.%d" % (sys.executable, *sys.version_info[:2]),
             "install Python 3.10 or later (python.org)")
    if os.path.lexists(venv):
        shutil.rmtree(venv)
    with open(venv + ".log", "w+") as log:
        def run(what, hint, *command, **options):
            # They hold the lock too: what outlives this program must not meet a second installation.
            done = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, pass_fds=[lock.fileno()], **options)
            if done.returncode:
                log.seek(0)
                last = "".join(log.readlines()[-25:]).rstrip()
                fail("%s\n%s" % (what, last), hint)

        run("Python cannot make a virtual environment",
            "on Debian and Ubuntu, `apt install python3-venv`",
            sys.executable, "-m", "venv", venv, stdin=subprocess.DEVNULL)
        run("the tools of %s cannot be installed" % os.path.basename(venv),
            "the whole output is in %s" % log.name,
            os.path.join(venv, "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
            "--require-hashes", "-r", "/dev/stdin", input=pins, text=True)


def fail(message, hint):
    raise SystemExit("error: %s\nhint: %s" % (message, hint))


# An interrupt ends it at once, also while it waits for the lock: there is nothing to clear away.
signal.signal(signal.SIGINT, signal.SIG_DFL)
main(sys.argv[1], sys.stdin.read())
