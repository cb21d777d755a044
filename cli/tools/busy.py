"""Runs a command while one spinner per core takes all the time it can get; ends with its exit code.

A spinner ends when the pipe to it closes, and the kernel closes that when this program is gone,
however it went.
"""

import os
import signal
import subprocess
import sys

SPIN = """
import os
os.set_blocking(0, False)
while True:
    for _ in range(1_000_000):
        pass
    try:
        if os.read(0, 1) == b"":
            break
    except BlockingIOError:
        pass
"""

if len(sys.argv) < 2:
    raise SystemExit("no command\nhint: python3 cli/tools/busy.py just test")
# In sessions of their own: Ctrl-C is for the command.
spinners = [
    subprocess.Popen([sys.executable, "-c", SPIN], stdin=subprocess.PIPE, start_new_session=True)
    for _ in range(os.cpu_count() or 1)
]
command = subprocess.Popen(sys.argv[1:])
# The terminal has sent Ctrl-C to the command as well: this waits for what the command makes of it.
signal.signal(signal.SIGINT, lambda *_: None)
signal.signal(signal.SIGTERM, lambda *_: command.terminate())
code = command.wait()
raise SystemExit(code if code >= 0 else 128 - code)
