"""Requests as they go over the wire, built once before anything is measured.

19 times ``@`` in them becomes the moment a request was due, 19 times ``#`` a number that never comes twice (see
``wire/load.c``). Events carry the moment as the first member of their data, where the sink looks for it.
"""

import base64
import hashlib
import hmac
import json
import random
import time
from collections.abc import Mapping
from functools import cache

__all__ = ["batch", "event_type", "request", "signed", "single", "text"]

MOMENT, NUMBER = "@" * 19, "#" * 19
ENVELOPE = 190  # bytes of a structured event around the filling of its data


@cache
def text(length: int) -> str:
    """Letters that compress about as well as real payloads do, to a half; the same each time."""
    return random.Random(length).randbytes(length // 2 + 1).hex()[:length]


def event_type(lane: int) -> str:
    """What the endpoint of this lane subscribes to."""
    return f"bench.lane{lane}"


def request(method: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def single(credentials: Mapping[str, str], name: str, size: int) -> bytes:
    """Publish one event of about ``size`` bytes, as a structured CloudEvent."""
    headers = {"Content-Type": "application/cloudevents+json", **credentials}
    return request("POST", "/api/v1/events/", headers, _event(name, size))


def batch(credentials: Mapping[str, str], names: list[str], size: int) -> bytes:
    """Publish one event of each of these types."""
    headers = {"Content-Type": "application/cloudevents-batch+json", **credentials}
    return request("POST", "/api/v1/events/", headers, b"[" + b",".join(_event(name, size) for name in names) + b"]")


def _event(name: str, size: int) -> bytes:
    filling = text(max(0, size - ENVELOPE))
    attributes = f'"specversion":"1.0","id":"{NUMBER}","source":"/bench","type":"{name}"'
    data = f'{{"at":"{MOMENT}","filling":"{filling}"}}'
    return f'{{{attributes},"datacontenttype":"application/json","data":{data}}}'.encode()


def signed(path: str, secret: str, number: int, size: int) -> bytes:
    """A message as a sender who follows Standard Webhooks 1.0 sends it (``secret``: ``whsec_...``)."""
    message_id, timestamp = f"msg_{time.time_ns()}_{number}", str(int(time.time()))
    body = json.dumps({"type": "bench.received", "number": number, "filling": text(max(0, size - 60))}).encode()
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    headers = {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(mac.digest()).decode()}",
    }
    return request("POST", path, headers, body)
