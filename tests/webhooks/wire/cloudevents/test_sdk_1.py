"""Check against version 1 of the CloudEvents SDK: it reads what we send, and we read what it sends.

Version 2, which is installed, is the other side in ``test_http_modes`` and ``tests/webhooks/test_cloudevents``.
"""

import json
import os
import subprocess
import sys
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.webhooks.wire.cloudevents import sdk_1
from webhooks.wire import header_values
from webhooks.wire.cloudevents import http_modes
from webhooks.wire.cloudevents.event import Event

PACKAGES = ("cloudevents==1.13.0", "deprecation==2.1.0", "packaging==26.4")
FOLDER = Path(sys.prefix) / "cloudevents-1.13.0"  # beside what is installed, and kept
STRUCTURED = {"content-type": "application/cloudevents+json"}
BATCH = {"content-type": "application/cloudevents-batch+json"}
TIME = "2018-04-05T17:31:00Z"
CORE = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "order.paid", "time": TIME}
JSON = Event({**CORE, "subject": "Grüße 😀%"}, b'{"total":"1.10","names":["\xc3\xa4"]}')
TEXT = Event({**CORE, "datacontenttype": "text/plain"}, "Grüße".encode())
BYTES = Event({**CORE, "datacontenttype": "image/png"}, b"\x89PNG\x00\xff")
BARE = Event(dict(CORE))
EVENTS = {"json": JSON, "text": TEXT, "bytes": BYTES, "without data": BARE}
THEIRS = [
    [{**CORE, "datacontenttype": "application/json"}, {"total": 3, "name": "ä"}],
    [{**CORE, "datacontenttype": "text/plain"}, "Grüße"],
    [{**CORE, "comexample": "x y"}, None],
]


def installed() -> Path:
    """Return the folder with version 1, installed on first use."""
    if not FOLDER.exists():
        making = FOLDER.with_name(f"{FOLDER.name}.{os.getpid()}")
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--no-deps"]
        done = subprocess.run([*pip, "--target", making, *PACKAGES], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"version 1 of cloudevents could not be installed: {done.stderr}"
        try:
            making.rename(FOLDER)
        except OSError:
            assert FOLDER.exists()  # another process of the tests was first
    return FOLDER


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """Return what version 1 reads of our messages, and the messages it writes."""
    messages = []
    for event in EVENTS.values():
        headers, body = http_modes.write_binary(event)
        messages += [(STRUCTURED, http_modes.write_structured(event)), (headers, body)]
    given = {"read": [[headers, b64encode(body).decode()] for headers, body in messages], "write": THEIRS}
    command = [sys.executable, "-I", sdk_1.__file__, installed()]
    done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    assert result["version"].startswith("1.")
    return result


@pytest.mark.parametrize("name", EVENTS)
@pytest.mark.parametrize("mode", ["structured", "binary"])
def test_event_that_we_send_is_read_by_version_1(found: dict[str, Any], name: str, mode: str) -> None:
    attributes, data = found["read"][2 * list(EVENTS).index(name) + (mode == "binary")]
    event = EVENTS[name]
    named = {key: value for key, value in attributes.items() if key not in ("datacontenttype", "time")}
    # Version 1 does not decode headers (HTTP binding, 3.1.3.2), so an attribute outside ASCII has their spelling.
    spelled = header_values.encode if mode == "binary" else str
    sent = {key: spelled(value) for key, value in event.attributes.items()}
    assert named == {key: sent[key] for key in sent if key not in ("datacontenttype", "time")}
    assert attributes["time"].startswith(TIME[:-1])
    if event is JSON:
        assert data == event.value
    elif event is BARE:
        assert data is None
    else:
        assert data in (event.text(), {"base64": b64encode(event.data or b"").decode()})


@pytest.mark.parametrize("index", range(len(THEIRS)))
@pytest.mark.parametrize("mode", ["structured", "binary", "batch"])
def test_event_that_version_1_sends_is_read(found: dict[str, Any], index: int, mode: str) -> None:
    attributes, data = THEIRS[index]
    structured, binary = found["written"][index]
    headers, body = binary if mode == "binary" else structured
    if mode == "batch":
        both = b"[" + b",".join([b64decode(body)] * 2) + b"]"
        first, event = http_modes.read(BATCH, both)
        assert first == event
    else:
        (event,) = http_modes.read(headers, b64decode(body))
    assert attributes.items() <= event.attributes.items()
    if isinstance(data, dict):
        assert orjson.loads(event.data or b"") == data
    elif mode == "binary" and data is not None:
        assert event.text() == json.dumps(data)  # version 1 writes text as JSON there, whatever its content type
    else:
        assert event.text() == data
