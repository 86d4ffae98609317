"""Hostile values inside the objects and arrays of request bodies, and bodies that are hostile as a text.

Each is refused with a problem that names the field, or accepted and then readable; never an error of ours, and what is
refused leaves nothing written. Fields and operations come from the OpenAPI description; a field that several operations
share is tried with one of them.
"""

import json
from typing import Any

import pytest

from tests.api.nested_values import is_nested, values_of
from tests.api.operations import Operation, operations
from tests.api.targets import CALLING_ENDPOINTS, CALLING_OUT, Target, fields_of
from tests.dns_server import Answer, DnsServer
from tests.hostile_json import hostile_values
from tests.stored_rows import StoredRows, undone

pytestmark = pytest.mark.django_db

PREFERRED = ("post", "put", "patch")  # methods, of operations that share a field
MAX_PROBLEM = 64 * 1024  # bytes, however large the body is
MANY = 30_000  # members of an object, within the limit of a body
SHOWN = 300  # characters of a fault
MILLION = "{" + ",".join(f'"{number}":0' for number in range(1_000_000)) + "}"
FOR_READERS = ("description", "example", "examples", "default", "title")  # in a schema
WITH_BODY = [
    it for it in operations() if fields_of(it) and (it.path in CALLING_ENDPOINTS or it.path not in CALLING_OUT)
]


def bare(schema: Any) -> Any:
    """Return a schema without what is for readers only."""
    if isinstance(schema, dict):
        return {name: bare(it) for name, it in schema.items() if name not in FOR_READERS}
    return [bare(it) for it in schema] if isinstance(schema, list) else schema


def nested_fields() -> list[tuple[Operation, str]]:
    """Return each field that accepts objects or arrays, once, with an operation."""
    found: dict[str, tuple[Operation, str]] = {}
    for operation in sorted(WITH_BODY, key=lambda it: PREFERRED.index(it.method)):
        for name, schema in fields_of(operation).items():
            if is_nested(schema):
                found.setdefault(json.dumps([name, bare(schema)], sort_keys=True), (operation, name))
    return list(found.values())


FIELDS = pytest.mark.parametrize(("operation", "name"), nested_fields(), ids=lambda it: str(it))
EACH = pytest.mark.parametrize("operation", WITH_BODY, ids=str)


@pytest.fixture(autouse=True)
def names(dns: DnsServer, settings: Any) -> None:
    """Resolve every name to this machine, which refuses test events."""
    dns.default, settings.WAYPOST_ALLOW_NETWORKS = Answer(("127.0.0.1",)), ["127.0.0.0/8"]


def target_of(operation: Operation) -> Target:
    """Return the target of an operation, whose errors are responses."""
    target = Target(operation)
    target.client.raise_request_exception = False
    return target


def fault_in(response: Any, name: str = "") -> str:
    """Return what is wrong with a response that is no success; empty if nothing is. ``name``: the field at fault."""
    if not 400 <= response.status_code < 500:
        return f"{response.status_code}"
    if response["Content-Type"] != "application/problem+json":
        return f"{response.status_code} is no problem"
    if len(response.content) > MAX_PROBLEM:
        return f"a problem of {len(response.content)} bytes"
    fields = [it["field"] for it in response.json().get("errors", ())]
    is_named = any(f"{it}.".startswith(f"{name}.") for it in fields)
    return "" if not name or is_named or response.status_code != 400 else f"names {fields}: {response.json()}"


def fault_of(target: Target, stored: StoredRows, name: str, value: Any, *, is_named: bool = True) -> str:
    """Send a body with a value in a field; return what is wrong with what became of it."""
    body = {**target.body_for(name), name: value}
    if name == "filter":
        body.pop("all", None)  # a filter excludes it
    with undone():
        try:
            response = target.send(body)
        except AssertionError as error:  # the response is not as it is described
            return str(error)
        if response.status_code < 300:
            place = response.get("Location") or target.path
            shown = target.client.get(place, headers=target.headers)
            return "" if shown.status_code in (200, 404, 405) else f"accepted, then {shown.status_code}"
        return fault_in(response, name if is_named else "") or ", ".join(
            f"{table} was written" for table in stored.changed()
        )


@FIELDS
def test_hostile_value_inside_a_field_is_refused_by_name_or_can_be_read(operation: Operation, name: str) -> None:
    target, faults = target_of(operation), []
    stored = StoredRows()
    for value in values_of(name, fields_of(operation)[name]):
        for path, hostile in hostile_values(value):
            fault = fault_of(target, stored, name, hostile)
            if fault:
                shown = json.dumps(hostile)[:SHOWN]
                faults.append(f"{'/'.join(map(str, path))[:60]!r} in {shown}: {fault[:SHOWN]}")
    assert not faults, "\n".join(faults)


@FIELDS
def test_field_with_many_members_or_levels_is_refused_with_a_short_problem(operation: Operation, name: str) -> None:
    target = target_of(operation)
    stored = StoredRows()
    for value in (dict.fromkeys(map(str, range(MANY)), 1), ["a"] * MANY, [{}] * MANY):
        fault = fault_of(target, stored, name, value, is_named=False)
        assert not fault, (type(value), fault[:SHOWN])
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        body = json.dumps({**target.valid, name: "-"})
        text = body.replace('"-"', f"{opening * 10_000}1{closing * 10_000}")
        assert not fault_in(target.send_text(operation.method, text))
    assert not stored.changed()


@EACH
def test_body_with_many_members_is_refused_with_a_short_problem(operation: Operation) -> None:
    target = target_of(operation)
    stored = StoredRows()
    assert not fault_in(target.send({**target.valid, **dict.fromkeys(map(str, range(MANY)), 1)}))
    assert not fault_in(target.send_text(operation.method, MILLION))
    assert not stored.changed()


REFUSED_TEXTS: tuple[bytes, ...] = (
    *(b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"9" * 5_000, b"0x10", b"01", b"1_000"),
    *(b'"\\ud800"', b'["\\udfff"]', b'{"\\ud800": 1}', b'"\xff"', b'"\xc0\x80"', b'"\xed\xa0\x80"', b'"a\nb"', b"'a'"),
    *(b"[1,]", b'{"a":1,}', b'{"a":1,"a":2}', b'[{"a":{"b":1,"\\u0062":2}}]'),
)


@EACH
def test_text_that_is_no_safe_json_is_refused_wherever_it_is_and_nothing_written(operation: Operation) -> None:
    target = target_of(operation)
    stored = StoredRows()
    whole = json.dumps(target.valid).encode()
    for name in list(fields_of(operation))[:2]:
        body = json.dumps({**target.valid, name: "-@-"}).encode()
        for text in REFUSED_TEXTS:
            response = target.send_text(operation.method, body.replace(b'"-@-"', text))
            assert response.status_code == 400, (name, text[:20], response.content[:SHOWN])
            assert not fault_in(response)
    for body in (b"\xef\xbb\xbf" + whole, whole.decode().encode("utf-16"), b"\xff" + whole, whole + b"\0"):
        assert target.send_text(operation.method, body).status_code == 400
    assert not stored.changed()


def test_key_that_is_given_twice_is_named_with_its_place() -> None:
    target = target_of(next(it for it in WITH_BODY if str(it) == "POST /api/v1/endpoints/"))
    url = '"url": "https://example.com/"'
    for body, field in (
        ('{"url": "https://example.net/", ' + url + "}", "url"),
        ("{" + url + ', "metadata": {"a": [{"b": 1, "b": 2}]}}', "metadata.a.0.b"),
        ("{" + url + ', "headers": {"X-A": "1", "X-A": "1"}}', "headers.X-A"),
    ):
        response = target.send_text("post", body)
        assert response.status_code == 400
        errors = [(it["field"], it["detail"], it["code"]) for it in response.json()["errors"]]
        assert errors == [(field, "Duplicate key; must be given once.", "ambiguous")]
