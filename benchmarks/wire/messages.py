"""Build HTTP requests as bytes, before anything is measured.

The load generator replaces 19 `@` by the time a request was due and each 19 `#` by a number that is used once. Events
carry the time as the first member of their data, where the sink reads it.
"""

import json
import random
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache

from standardwebhooks import Webhook

DUE, NUMBER = "@" * 19, "#" * 19
SECRET = "whsec_QmVuY2htYXJrcyBhcmUgbm90IHNlY3JldHMsIHRoaXMgb25lIGVpdGhlcg=="  # of messages to receive
ENVELOPE = 190  # bytes of a structured event around the text in its data


@cache
def text(length: int) -> str:
    """Return letters that compress to a half, as real payloads do; the same each time."""
    return random.Random(length).randbytes(length // 2 + 1).hex()[:length]


def request(path: str, headers: Mapping[str, str], body: bytes, method: str = "POST") -> bytes:
    """Return a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def api_request(api_key: str, path: str, body: bytes, kind: str = "json", method: str = "POST") -> bytes:
    """Return a request to the API."""
    headers = {"Authorization": f"Bearer {api_key}", "Content-Type": f"application/{kind}"}
    return request(f"/api/v1/{path}", headers, body, method)


def publish_one(api_key: str, event_type: str, size: int) -> bytes:
    """Return a request that publishes one event of about `size` bytes, as a structured CloudEvent."""
    return api_request(api_key, "events/", event(event_type, size), "cloudevents+json")


def publish_batch(api_key: str, event_types: list[str], size: int) -> bytes:
    """Return a request that publishes one event of each of these types."""
    events = [event(each, size) for each in event_types]
    return api_request(api_key, "events/", json_list(events), "cloudevents-batch+json")


def events_request(path: str, events: list[bytes]) -> bytes:
    """Return a request with a list of events as plain JSON."""
    return request(path, {"Content-Type": "application/json"}, json_list(events))


def json_list(items: list[bytes]) -> bytes:
    """Return a JSON array of these values."""
    return b"[" + b",".join(items) + b"]"


def event(event_type: str, size: int) -> bytes:
    """Return a structured CloudEvent of about `size` bytes."""
    attributes = f'"specversion":"1.0","id":"{NUMBER}","source":"/bench","type":"{event_type}"'
    data = f'{{"due":"{DUE}","text":"{text(max(0, size - ENVELOPE))}"}}'
    return f'{{{attributes},"datacontenttype":"application/json","data":{data}}}'.encode()


def signed(path: str, secret: str, number: int, size: int) -> bytes:
    """Return a message as a sender of Standard Webhooks 1.0 sends it (`secret`: `whsec_...`)."""
    message_id, now = f"msg_{time.time_ns()}_{number}", datetime.now(UTC)
    body = json.dumps({"type": "bench.received", "number": number, "text": text(max(0, size - 60))})
    signature = Webhook(secret).sign(message_id, now, body)
    standard = {"id": message_id, "timestamp": str(int(now.timestamp())), "signature": signature}
    headers = {f"webhook-{name}": value for name, value in standard.items()}
    return request(path, {"Content-Type": "application/json", **headers}, body.encode())
