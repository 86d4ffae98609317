"""Read and write CloudEvents with version 1 of the SDK, in a process of its own, since version 2 is installed here.

Run as ``sdk_1.py FOLDER``, where FOLDER has the installed packages. Reads one JSON document: ``read`` has messages,
each a list of headers and a body in base64; ``write`` has events, each a list of attributes and data. Writes one:
``read`` has for each message its attributes and its data, ``written`` for each event its messages in structured and
binary mode.
"""

import importlib
import json
import sys
from base64 import b64decode, b64encode
from typing import Any


def run(given: dict[str, Any]) -> dict[str, Any]:
    """Return the result of a document."""
    sdk = importlib.import_module("cloudevents.http")
    conversion = importlib.import_module("cloudevents.conversion")
    read = [sdk.from_http(headers, b64decode(body)) for headers, body in given["read"]]
    events = [sdk.CloudEvent(attributes, data) for attributes, data in given["write"]]
    written = [[write(event) for write in (conversion.to_structured, conversion.to_binary)] for event in events]
    return {
        "version": importlib.import_module("cloudevents").__version__,
        "read": [[dict(event.get_attributes()), _shown(event.get_data())] for event in read],
        "written": [[[headers, b64encode(body or b"").decode()] for headers, body in both] for both in written],
    }


def _shown(data: Any) -> Any:
    return {"base64": b64encode(data).decode()} if isinstance(data, bytes) else data


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    json.dump(run(json.load(sys.stdin)), sys.stdout)
