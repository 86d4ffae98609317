"""Make values of a field with members inside: from its schema, and from samples."""

from collections.abc import Iterator
from typing import Any

from tests.api.invalid_values import forms_of, types_of

DEEPEST = 4  # levels for which a value is made from a schema
WEBHOOK = "https://example.com/hooks"
SAMPLES: dict[str, tuple[Any, ...]] = {
    "auth": (
        {"type": "basic", "username": "a", "password": "b"},
        {"type": "bearer", "token": "a"},
        {"type": "header", "name": "X-Key", "value": "a"},
        {"type": "body", "name": "key", "value": "a"},
        {
            "type": "oauth2",
            "token_url": "https://example.com/",
            "client_id": "a",
            "client_secret": "b",
            "scope": "c",
            "audience": "d",
            "client_auth": "body",
        },
        {"type": "aws_sigv4", "access_key_id": "AKIA1", "secret_access_key": "b", "region": "eu-central-1"},
    ),
    "batch": ({"max_events": 10, "max_wait_seconds": 1},),
    "channels": ([{"type": "email", "email": "a@example.com"}],),
    "config": ({"a": {"b": [1]}},),
    "credentials": ({"token": "a"},),
    "data": ([{"uid": "a", "url": WEBHOOK, "metadata": {"a": [1]}}], {"a": {"b": [1]}}),
    "event": ({"type": "a.b", "subject": "c", "data": {"a": [{"b": 1}]}, "extensions": {"a": "b"}},),
    "events": ([{"type": "a.b", "data": {"a": [1]}}],),
    "examples": ([{"a": [1]}],),
    "failure_pattern": ({"ok": [False, {"exists": False}]},),
    "filter": (
        {"ids": ["dlv_01h455vb4pex5vsknk084sn02q"], "since": "2030-01-01T00:00:00Z", "type": "a.*", "endpoint": "a"},
        {"labels": {"env": "prod"}, "until": "2030-01-01T00:00:00Z", "state": "open", "cause": "expired"},
    ),
    "handlers": (
        [{"handler": "log", "pattern": {"type": ["a"], "data": {"n": [{"numeric": [">", 1]}]}}}],
        [
            {
                "handler": "publish",
                "enrich": {
                    "url": "https://example.com/<$.body.id>",
                    "method": "POST",
                    "headers": {"X-A": "b"},
                    "body": '{"a": <$.body.id>}',
                    "timeout_seconds": 2,
                    "retries": 1,
                    "max_concurrency": 2,
                },
                "transform": {"template": '{"a": <id>}', "input_paths": {"id": "$.body.id"}, "type": "a.b"},
            }
        ],
        [{"handler": "publish", "transform": {"jsonata": '{"a": body.id}', "type": "a.b"}}],
    ),
    "handshake": (
        [{"method": "GET", "when": {"query:a": "*"}, "text": "{query:a}", "headers": {"X-A": "{query:a}"}}],
        [{"when": {"body:/type": "b"}, "verified": True, "json": {"a": ["{body:/id}"]}, "status": 201}],
    ),
    "headers": ({"X-A": "b"},),
    "labels": ({"env": "prod"},),
    "masks": ([{"path": "$.data.a", "action": "remove"}],),
    "metadata": ({"a": {"b": [1, "c"]}},),
    "options": ({"header": "x-signature", "signed": "{body}"},),
    "pattern": (
        {
            "type": ["a", {"prefix": "b"}, {"anything-but": ["c"]}, {"wildcard": "d*"}, {"exists": True}],
            "$or": [{"data": {"n": [{"numeric": [">", 1, "<", 5]}]}}, {"data": {"ip": [{"cidr": "10.0.0.0/8"}]}}],
        },
        {"data": {"a": [{"anything-but": {"prefix": ["b"]}}, {"equals-ignore-case": "c"}, {"suffix": "d"}, None]}},
    ),
    "responses": ({"rejected": {"status": 403, "body": "no", "content_type": "text/plain"}},),
    "retry_plan": ([1, 2, 3], {"first": 1, "attempts": 3, "factor": 2, "cap": 10, "horizon": 100}),
    "schema": ({"type": "object", "properties": {"a": {"type": "array", "items": {"type": "integer"}}}},),
    "settings": ({"a": {"b": [1]}},),
    "subscriptions": ([{"event_types": ["a.*"], "pattern": {"data": {"a": [1]}}, "transformer": {"template": "{}"}}],),
    "theme": ({"name": "a", "accent": "#aa0000", "logo_url": "https://example.com/a.png", "mode": "dark"},),
    "tls": ({"certificate": "a", "private_key": "b", "ca": "c"},),
    "transformer": (
        {
            "input_paths": {"n": "$.data.n"},
            "texts": {"t": {"template": "a <n>", "max_length": 9, "escape": "html", "one_line": True}},
            "template": '{"n": <n>, "t": "<t>"}',
            "content_type": "application/json",
        },
        {"jsonata": '{"n": data.n}', "content_type": "application/json"},
    ),
}
"""Valid values of fields in which members are nested, by the name of the field: deeper than its schema says."""


def is_nested(schema: dict[str, Any]) -> bool:
    """Return whether a field of this schema accepts an object or an array."""
    return any(types_of(form) & {"object", "array"} for form in forms_of(schema))


def values_of(name: str, schema: dict[str, Any]) -> list[Any]:
    """Return objects and arrays for a field: the samples of its name, or those of its schema where it has none."""
    made = [value for form in forms_of(schema) for value in _made(form, DEEPEST)]
    return [it for it in SAMPLES.get(name) or made if isinstance(it, dict | list)]


def _made(form: dict[str, Any], levels: int) -> Iterator[Any]:
    """Yield values of a schema without alternatives, at most so many levels deep."""
    if "enum" in form:
        yield form["enum"][0]
        return
    kinds = types_of(form)
    if "object" in kinds:
        members = {name: it for name, it in form.get("properties", {}).items() if not it.get("readOnly")}
        inner = form.get("additionalProperties")
        if not members and isinstance(inner, dict):
            members = {"a": inner}
        yield {name: _one(it, levels - 1) for name, it in members.items()} if members and levels else {"a": [1]}
    if "array" in kinds:
        yield [_one(form.get("items", {}), levels - 1)] if levels else []
    if "string" in kinds:
        yield {"uri": WEBHOOK, "date-time": "2030-01-01T00:00:00Z"}.get(form.get("format", ""), "x")
    elif kinds & {"integer", "number"}:
        yield form.get("minimum", 1)
    elif "boolean" in kinds:
        yield False


def _one(schema: dict[str, Any], levels: int) -> Any:
    return next((value for form in forms_of(schema) for value in _made(form, levels)), 1)
