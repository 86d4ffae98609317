"""Invalid request bodies of every operation: a problem that names the field, and nothing written.

The fields come from the OpenAPI description, so that new operations are tested without a change here.
"""

import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.urls import resolve

from subscriptions.api.tenancy import HEADER
from tests.api.invalid_values import CONTROL_CHARACTERS, invalid_values
from tests.api.operations import Operation, operations
from tests.api.targets import CALLING_OUT, Target, fields_of
from tests.api.tenant_rows import TenantRows
from tests.dns_server import Answer, DnsServer
from tests.factories import make_client, make_tenant
from tests.stored_rows import rows

pytestmark = pytest.mark.django_db

PYTHON_WORDS = re.compile(r"\b(dictionary|lists?|got type|dict|str|int|float|bool|NoneType|None)\b")
SECONDS = {"StartDate", "EndDate", "CreationDate", "LastModificationDate"}  # AWS writes times as numbers, too
ANY_TEXT = {("/api/v1/sources/{ref}/test/", "body")}  # the bytes of a message


def has_no_body(operation: Operation) -> bool:
    """Return whether a request that changes something has no body."""
    return operation.needs_key and operation.method != "get" and "requestBody" not in operation.described


EACH = pytest.mark.parametrize("operation", [it for it in operations() if fields_of(it)], ids=str)


def error_in(name: str, response: Any) -> str | None:
    """Return what is wrong with the response to a body with this invalid field."""
    if not 400 <= response.status_code < 500:
        return f"{response.status_code}"
    problem = response.json()
    if response["Content-Type"] != "application/problem+json":
        return f"{response.status_code} is no problem"
    if response.status_code == 404 and name in problem["detail"]:
        return None  # the row it names does not exist
    if words := PYTHON_WORDS.search(problem["detail"]):
        return f"says {words[0]!r}: {problem['detail']}"
    named = {it["field"] for it in problem.get("errors", ())}
    return None if any(it == name or it.startswith(f"{name}.") for it in named) else f"names {named}: {problem}"


@pytest.fixture(autouse=True)
def names(dns: DnsServer) -> None:
    """Resolve every name to one public address."""
    dns.default = Answer(("93.184.215.14",))


@EACH
def test_valid_body_is_accepted(operation: Operation) -> None:
    """The other tests then reject the invalid field only."""
    if operation.path not in CALLING_OUT:
        target = Target(operation)
        response = target.send(target.valid)
        assert response.status_code in (200, 201, 202)
        if response.status_code == 201 and "id" in response.json():
            assert response["Location"].endswith(f"/{response.json()['id']}/")
            resolve(urlsplit(response["Location"]).path)


@EACH
def test_invalid_field_is_named_and_nothing_written(operation: Operation) -> None:
    target, errors = Target(operation), []
    before = rows()
    for name, schema in fields_of(operation).items():
        valid = target.body_for(name)
        for value in invalid_values(schema):
            if value in CONTROL_CHARACTERS and (operation.path, name) in ANY_TEXT:
                continue
            if name in SECONDS and type(value) in (int, float):
                continue
            error = error_in(name, target.send({**valid, name: value}))
            if error:
                errors.append(f"{name}={str(value)[:40]!r}: {error[:200]}")
    assert not errors, "\n".join(errors)
    assert rows() == before


@EACH
def test_unknown_field_is_named_and_nothing_written(operation: Operation) -> None:
    target = Target(operation)
    before = rows()
    for name in ("no_such_field", "nosuchfield", "Name", "", "\0", "a.b", "__class__"):
        error = error_in(name, target.send({**target.valid, name: 1}))
        assert error is None
    if "filter" in fields_of(operation):
        for others in ({}, target.valid.get("filter", {})):
            body = {**target.valid, "filter": {**others, "no_such_name": 1}}
            body.pop("all", None)
            assert error_in("filter.no_such_name", target.send(body)) is None
    assert rows() == before


HTTP = {"url": "https://example.com/hooks"}
SUBSCRIPTION = {"endpoint_labels": {"env": "prod"}, "event_types": ["a.b"]}
SOURCE = {"scheme": "none"}
NESTED = [  # a body with a misspelt member inside a field
    ("endpoints/", {**HTTP, "auth": {"type": "basic", "username": "a", "pasword": "x"}}, "auth/pasword"),
    ("endpoints/", {**HTTP, "tls": {"certificat": "x"}}, "tls/certificat"),
    ("endpoints/", {**HTTP, "batch": {"max_event": 1}}, "batch/max_event"),
    ("endpoints/", {**HTTP, "retry_plan": {"first": 1, "atempts": 2}}, "retry_plan/atempts"),
    ("endpoints/", {**HTTP, "subscriptions": [{"event_type": ["a.b"]}]}, "subscriptions/0/event_type"),
    ("subscriptions/", {**SUBSCRIPTION, "transformer": {"template": "{}", "input_path": {}}}, "transformer/input_path"),
    (
        "subscriptions/",
        {**SUBSCRIPTION, "transformer": {"template": "{}", "texts": {"a": {"templat": "x"}}}},
        "transformer/texts/a/templat",
    ),
    ("sources/", {**SOURCE, "handlers": [{"handler": "log", "patern": {}}]}, "handlers/0/patern"),
    ("sources/", {**SOURCE, "responses": {"rejectd": {"status": 400}}}, "responses/rejectd"),
    ("sources/", {**SOURCE, "responses": {"rejected": {"statu": 400}}}, "responses/rejected/statu"),
    ("schedules/", {"expression": "rate(1 hour)", "event": {"type": "a.b", "dat": 1}}, "event/dat"),
    ("subscriptions/test/", {"event_types": ["*"], "events": [{"type": "a.b", "dat": 1}]}, "events/0/dat"),
    ("replays/", {"filter": {"tpye": "a.b"}}, "filter/tpye"),
    ("receipt-replays/", {"filter": {"sorce": "a"}}, "filter/sorce"),
    ("deliveries/cancel/", {"filter": {"endpont": "a"}}, "filter/endpont"),
]


@pytest.mark.parametrize(("path", "body", "place"), NESTED, ids=[it[2] for it in NESTED])
def test_misspelt_member_inside_a_field_is_named_with_the_one_that_it_resembles(
    path: str, body: dict[str, Any], place: str
) -> None:
    client = make_client(make_tenant())
    before = rows()
    response = client.post(f"/api/v1/{path}", body)
    assert response.status_code == 400
    faults = {it["pointer"]: it["detail"] for it in response.json()["errors"]}
    assert "did you mean" in faults[f"#/{place}"]
    assert rows() == before


@pytest.mark.parametrize("operation", [it for it in operations() if has_no_body(it)], ids=str)
def test_member_of_a_body_that_is_not_read_is_named_and_nothing_written(operation: Operation) -> None:
    tenant = make_tenant()
    path = operation.path.format_map(TenantRows(tenant).ids_in(operation.path))
    call = getattr(make_client(), operation.method)
    before = rows()
    for body, name in (({"foo": 1}, "foo"), ([1], "")):
        response = call(path, body, headers={HEADER: tenant.public_id})
        assert response.status_code == 400
        assert [it["field"] for it in response.json()["errors"]] == [name]
    assert rows() == before


@EACH
def test_malformed_body_is_rejected_and_nothing_written(operation: Operation) -> None:
    target = Target(operation)
    before = rows()
    for text in ("[]", "5", '"x"', "{", '{"a": "\\ud800"}', '{"a": NaN}', '{"a": 1e999}', "[" * 2000, "\0", "{}{}"):
        response = target.send_text(operation.method, text)
        assert response.status_code == 400, (text[:20], response.content)
        assert response["Content-Type"] == "application/problem+json"
    for name in fields_of(operation):
        assert target.send({**target.valid, name: "a\udfffb"}).status_code == 400
    assert rows() == before
