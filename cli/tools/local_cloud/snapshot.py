"""Keeps the state of the local cloud in a folder, and restores it in a new process.

Terraform needs over a minute to make an environment. Most of that time the AWS provider waits, and
no setting shortens its waits. The same inputs make the same environment: a second start can load
what the first one made.

This reaches into MiniStack, and was written for its version 1.5.33. MiniStack's own setting for
this, PERSIST_STATE, does not fit: it saves at shutdown, when secrets have values, it logs a failure
and goes on, and its addresses are those of one port. So its functions are called one by one here.
"""

import base64
import hashlib
import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from ministack import app
from ministack.core import persistence
from ministack.services import lambda_svc


def save(folder):
    """Writes the state of every service that was used to `folder`, which must not be there: all of it,
    or nothing.

    Call it on the thread that serves, so that no request is half done, and before a secret has a
    value: what is in the folder is not encrypted.
    """
    folder = Path(folder)
    with (TemporaryDirectory(dir=folder.parent, prefix=folder.name) as parent,
          patch.object(persistence, "PERSIST_STATE", True),
          patch.object(persistence, "STATE_DIR", f"{parent}/snapshot"),
          patch.object(lambda_svc, "CODE_BLOB_DIR", f"{parent}/snapshot/code")):
        unfinished = Path(parent) / "snapshot"
        services = app._build_persistence_save_dict()
        for service, state in services.items():
            persistence.save_state(service, state())
            # It only logs a failure.
            if not (unfinished / f"{service}.json").exists():
                raise RuntimeError(f"the state of {service} cannot be saved")
        (unfinished / "about.json").write_text(
            json.dumps({"port": app._resolve_port(), "services": list(services)}))
        unfinished.rename(folder)


def load(folder, code=None):
    """Restores what `save` wrote to `folder`. Call it once, before the server serves.

    The addresses of queues, APIs and the functions' settings contain the port of the server that
    made them. They become those of this one.

    With `code`, the path of a zip, the functions run that: what Terraform made does not otherwise
    depend on how they were built.
    """
    folder = Path(folder)
    about = json.loads((folder / "about.json").read_text())
    old = re.compile(rf"\b(127\.0\.0\.1|localhost):{about['port']}\b")
    new = rf"\g<1>:{app._resolve_port()}"
    with patch.object(lambda_svc, "CODE_BLOB_DIR", str(folder / "code")):
        for service in about["services"]:
            text = old.sub(new, (folder / f"{service}.json").read_text())
            state = json.loads(text, object_hook=persistence._json_object_hook)["payload"]
            app._get_module(app._state_map[service]).load_persisted_state(state)
    if code:
        _replace_code(Path(code).read_bytes())


def _replace_code(code):
    for function in lambda_svc._functions._data.values():
        function["code_zip"] = code
        function["config"]["CodeSize"] = len(code)
        digest = hashlib.sha256(code).digest()
        function["config"]["CodeSha256"] = base64.b64encode(digest).decode()
