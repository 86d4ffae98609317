"""Whatever is wrong with a field, whichever it is: a problem that names it, and nothing was written.

The fields are those of the description, so that what is added tomorrow is tried, too.
"""

import json
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from rest_framework.test import APIClient

from subscriptions.api.tenancy import HEADER
from tests.api.operations import Operation, description, operations
from tests.api.spoilt import HIDDEN, spoil
from tests.api.things import Things
from tests.factories import make_client, make_tenant
from webhooks.outgoing import guarded_call

pytestmark = pytest.mark.django_db

JSON = "application/json"
OURS = ("subscriptions", "delivery", "webhooks")
CALLING_OUT = ("/api/v1/endpoints/{ref}/test/", "/api/v1/endpoints/{ref}/verification/")

# The rest of a body that is right but for one field, where neither the description has an example nor a GET an answer.
RIGHT: dict[str, dict[str, Any]] = {
    "/api/v1/cancellations/": {"filter": {}},
    "/api/v1/cancellations/preview/": {"filter": {}},
    "/api/v1/receipts/replays/": {},
    "/api/v1/replays/": {"filter": {}},
    "/api/v1/replays/preview/": {"filter": {}},
    "/api/v1/sources/": {"name": "anybody", "scheme": "none"},
}
# Of two fields that cannot stand together, the one that has to go when the other is tried.
INSTEAD_OF = {
    ("/api/v1/subscriptions/test/", "events"): {"event"},
    ("/api/v1/endpoints/{ref}/test/", "event"): {"type", "data"},
}
TAKEN_AS_IT_IS = {("/api/v1/sources/{ref}/test/", "body")}  # the bytes of a message: any text may be in it


def fields_of(operation: Operation) -> dict[str, Any]:
    """What may be written, with its schema."""
    schema = operation.described.get("requestBody", {}).get("content", {}).get(JSON, {}).get("schema", {})
    while "$ref" in schema:
        schema = description()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return {name: it for name, it in schema.get("properties", {}).items() if not it.get("readOnly")}


EACH = pytest.mark.parametrize("operation", [it for it in operations() if fields_of(it)], ids=str)


class Door:
    """One operation, with somebody who may do it, on a thing that there is."""

    def __init__(self, operation: Operation) -> None:
        self.operation, self.tenant = operation, make_tenant()
        self.things = Things(self.tenant)
        self.path = operation.path.format_map(self.things.named_in(operation.path))
        self.client: APIClient = make_client()
        self.right = self._right()

    def _right(self) -> dict[str, Any]:
        """A body that could be taken."""
        content = self.operation.described["requestBody"]["content"][JSON]
        if self.operation.method == "put":
            seen = self.ask("get").json()
            return {name: seen[name] for name in fields_of(self.operation) if name in seen}
        example = next((it["value"] for it in content.get("examples", {}).values()), {})
        body = {**RIGHT.get(self.operation.path, {}), **example}
        return {**body, "endpoint": self.things.a("endpoints")} if "endpoint" in body else body

    def ask(self, method: str, body: Any = None) -> Any:
        return self.say(method, "" if body is None else json.dumps(body))

    def say(self, method: str, text: str) -> Any:
        """Whatever text stands in the place of a body."""
        return self.client.generic(method.upper(), self.path, text, JSON, headers={HEADER: self.tenant.public_id})

    def send(self, body: Any) -> Any:
        return self.ask(self.operation.method, body)


def rows() -> dict[str, tuple[Any, ...]]:
    """How many rows each table has and what is in them; of keys, that they were used is no matter."""
    found = {}
    with connection.cursor() as cursor:
        for model in (it for app in OURS for it in apps.get_app_config(app).get_models()):
            table = model._meta.db_table
            what = "id::text" if table == "subscriptions_apikey" else "t::text"
            cursor.execute(f'SELECT count(*), sum(hashtext({what})) FROM "{table}" t')
            found[table] = cursor.fetchone()
    return found


def complaint(name: str, answer: Any) -> str | None:
    """What is wrong with an answer to a body with a spoilt field."""
    if not 400 <= answer.status_code < 500:
        return f"{answer.status_code}"
    problem = answer.json()
    if answer["Content-Type"] != "application/problem+json":
        return f"{answer.status_code} is no problem"
    if answer.status_code == 404 and name in problem["detail"]:
        return None  # what it names is not there
    named = {it["field"] for it in problem.get("errors", ())}
    return None if any(it == name or it.startswith(f"{name}.") for it in named) else f"names {named}: {problem}"


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every name leads to one public address, and nobody is asked for it."""
    monkeypatch.setattr(guarded_call, "resolve_within", lambda host, **options: ["93.184.215.14"])


@EACH
def test_the_rest_of_the_body_is_right(operation: Operation) -> None:
    """So that what follows is about the spoilt field."""
    if operation.path not in CALLING_OUT:
        door = Door(operation)
        assert door.send(door.right).status_code in (200, 201, 202)


@EACH
def test_a_spoilt_field_is_named_and_nothing_is_written(operation: Operation) -> None:
    door, complaints = Door(operation), []
    before = rows()
    for name, schema in fields_of(operation).items():
        gone = INSTEAD_OF.get((operation.path, name), set())
        right = {other: it for other, it in door.right.items() if other not in gone}
        for value in spoil(schema):
            if value in HIDDEN and (operation.path, name) in TAKEN_AS_IT_IS:
                continue
            wrong = complaint(name, door.send({**right, name: value}))
            if wrong:
                complaints.append(f"{name}={str(value)[:40]!r}: {wrong[:200]}")
    assert not complaints, "\n".join(complaints)
    assert rows() == before


@EACH
def test_a_field_that_there_is_not_is_named_and_nothing_is_written(operation: Operation) -> None:
    door = Door(operation)
    before = rows()
    for name in ("no_such_field", "Name", "", "\0", "a.b", "__class__"):
        wrong = complaint(name, door.send({**door.right, name: 1}))
        assert wrong is None
    assert rows() == before


@EACH
def test_what_is_no_object_or_no_text_is_refused_and_nothing_is_written(operation: Operation) -> None:
    door = Door(operation)
    before = rows()
    for text in ("[]", "5", '"x"', "{", '{"a": "\\ud800"}', '{"a": NaN}', '{"a": 1e999}', "[" * 2000, "\0", "{}{}"):
        answer = door.say(operation.method, text)
        assert answer.status_code == 400, (text[:20], answer.content)
        assert answer["Content-Type"] == "application/problem+json"
    for name in fields_of(operation):
        assert door.send({**door.right, name: "a\udfffb"}).status_code == 400
    assert rows() == before
