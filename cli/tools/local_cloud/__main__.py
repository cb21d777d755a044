"""Starts MiniStack as the local cloud of `ralph`, behind a guard.

    python cli/tools/local_cloud --port PORT [--socket FILE] [--network JSON]
        [--save FOLDER] [--restore FOLDER --code ZIP]

The services answer on 127.0.0.1:PORT to those who hold an access key of this start (guard.py).
The Unix socket answers whatever it is asked, control paths included; who may open it is decided by
the folder it lies in. The operator's key is in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and
MiniStack's own variables set the rest. --network describes a network that is there already
(network.py). POST /_ralph/save on the socket writes the state to a folder, and --restore starts with what
such a folder holds, with ZIP as every function's code (snapshot.py).

MiniStack (1.5.33, pinned) is changed in memory where it differs from AWS in what we rely on:
guard.py, keys.py, roles.py, tasks.py and values.py each say what and why.
"""

import argparse
import asyncio
import json
import os
import resource
from pathlib import Path

from hypercorn.asyncio import serve
from hypercorn.config import Config

import guard
import keys
import roles
import tasks
import values


def main():
    arguments = argparse.ArgumentParser(description="The local cloud.")
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--socket", default="cloud.sock")
    arguments.add_argument("--network", type=json.loads)
    arguments.add_argument("--save", type=Path)
    arguments.add_argument("--restore", type=Path)
    arguments.add_argument("--code")
    options = arguments.parse_args()

    # A connection is kept open until its client closes it, and there are many.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    # MiniStack reads its variables when it is imported.
    import network
    import snapshot
    from ministack.app import app

    keys.install()
    roles.install()
    tasks.install()
    values.install()
    guard.install()
    if options.restore:
        snapshot.load(options.restore, options.code)
    elif options.network:
        network.seed(options.network)

    async def by_socket(scope, receive, send):
        if scope["type"] != "http" or scope["path"] != "/_ralph/save":
            await app(scope, receive, send)
            return
        snapshot.save(options.save)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    config = Config()
    config.bind = [f"unix:{options.socket}", f"127.0.0.1:{options.port}"]
    config.keep_alive_timeout = 75
    config.loglevel = os.environ.get("LOG_LEVEL", "INFO")
    # Whoever may enter the folder may use the socket; nobody else.
    config.umask = 0o177
    asyncio.run(serve(guard.Guard(app, by_socket, keys.is_known), config))


if __name__ == "__main__":
    main()
