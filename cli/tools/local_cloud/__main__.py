"""Starts MiniStack as the local cloud of `ralph`, behind a guard.

    python cli/tools/local_cloud --port PORT [--socket FILE]

The services answer on 127.0.0.1:PORT to those who hold an access key of this start (guard.py).
The Unix socket answers whatever it is asked, control paths included; who may open it is decided by
the folder it lies in. The operator's key is in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and
MiniStack's own variables set the rest.

MiniStack (1.5.33, pinned) is changed in memory where it differs from AWS in what we rely on:
guard.py, keys.py and tasks.py each say what and why.
"""

import argparse
import asyncio
import os
import resource

from hypercorn.asyncio import serve
from hypercorn.config import Config

import guard
import keys
import tasks


def main():
    arguments = argparse.ArgumentParser(description="The local cloud.")
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--socket", default="cloud.sock")
    options = arguments.parse_args()

    # A connection is kept open until its client closes it, and there are many.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    from ministack.app import app

    keys.install()
    tasks.install()
    guard.install()
    config = Config()
    config.bind = [f"unix:{options.socket}", f"127.0.0.1:{options.port}"]
    config.keep_alive_timeout = 75
    config.loglevel = os.environ.get("LOG_LEVEL", "INFO")
    # Whoever may enter the folder may use the socket; nobody else.
    config.umask = 0o177
    asyncio.run(serve(guard.Guard(app, keys.is_known), config))


if __name__ == "__main__":
    main()
