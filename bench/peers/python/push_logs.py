"""push-logs' decoding, grouping and packing as a CDK user would write it for Python 3.

`python3 push_logs.py FILE REPEATS` prints the milliseconds of each.
"""

import base64
import gzip
import json
import sys
import time

MAX_FRAME = 32_768


def frames(event):
    """Decodes a subscription payload and packs its lines into frames, by workstream."""
    batch = json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))
    if batch["messageType"] != "DATA_MESSAGE":
        return {}
    groups = {}
    for entry in batch["logEvents"]:
        message = entry["message"]
        try:
            workstream = json.loads(message)["workstream"]
        except (ValueError, KeyError, TypeError):
            continue
        groups.setdefault(workstream, []).append(message.encode())
    return {workstream: pack(workstream, lines) for workstream, lines in groups.items()}


def pack(workstream, lines):
    head = f'{{"type":"logs","workstream":"{workstream}","source":"live","events":['.encode()
    packed, parts, size = [], [], 0
    for line in lines:
        if parts and size + len(line) + 1 + len(head) + 2 > MAX_FRAME:
            packed.append(head + b",".join(parts) + b"]}")
            parts, size = [], 0
        parts.append(line)
        size += len(line) + 1
    if parts:
        packed.append(head + b",".join(parts) + b"]}")
    return packed


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        text = file.read()
    for _ in range(int(sys.argv[2])):
        begun = time.perf_counter()
        # The runtime hands a function its event parsed.
        frames(json.loads(text))
        print(f"{(time.perf_counter() - begun) * 1e3:.6f}")
