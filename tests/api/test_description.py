"""The description of the API is OpenAPI 3.1 from which a client can be made, and its pages need nobody else."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.api.operations import Operation, description, operations

PROBLEM = {"$ref": "#/components/schemas/Problem"}
EVERY = pytest.mark.parametrize("operation", operations(), ids=str)
ADDRESS = re.compile(r"""(?:src|href)=["']?([^"' >]+)""")


def test_what_is_served_is_valid_openapi_3_1() -> None:
    served = Client().get("/api/v1/schema/", headers={"accept": "application/json"}).json()
    assert served == description()
    assert served["openapi"].startswith("3.1.")
    assert list(OpenAPIV31SpecValidator(served).iter_errors()) == []


def test_nothing_in_it_was_guessed(tmp_path: Path) -> None:
    """Neither a warning nor an error: two shapes of one name, a field nobody can say the type of."""
    call_command("spectacular", "--validate", "--fail-on-warn", file=str(tmp_path / "openapi.yaml"))


def test_no_two_operations_have_one_name() -> None:
    assert max(Counter(it.described["operationId"] for it in operations()).values()) == 1


@EVERY
def test_an_operation_has_the_name_of_a_function(operation: Operation) -> None:
    """As whoever generates a client will call it: a verb first."""
    verbs = {"post": "create", "put": "replace", "patch": "change", "delete": "delete"}
    name = operation.described["operationId"]
    assert re.fullmatch(r"[a-z]+(_[a-z]+)+", name)
    verb = name.split("_")[0]
    assert verb == verbs[operation.method] if verb in verbs.values() else True


@EVERY
def test_what_goes_wrong_is_a_problem(operation: Operation) -> None:
    """And 401, 403 and the rest are said wherever a key is needed."""
    answers = operation.described["responses"]
    wrong = {status: answer for status, answer in answers.items() if status >= "400"}
    assert not operation.needs_a_key or {"401", "403", "404", "503"} <= wrong.keys()
    for answer in wrong.values():
        assert answer["content"]["application/problem+json"]["schema"] == PROBLEM


@EVERY
def test_it_says_what_it_does_and_what_it_answers(operation: Operation) -> None:
    assert operation.described.get("summary") or operation.described.get("description")
    assert any(status < "400" for status in operation.described["responses"])


def test_every_example_is_one() -> None:
    """Of a request or of an answer: it holds to the schema beside it."""
    found = list(examples(description()["paths"]))
    assert found
    for schema, example in found:
        OAS31Validator({**schema, "components": description()["components"]}).validate(example)


def examples(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every schema that has examples beside it, with each of them."""
    if isinstance(node, dict):
        if "schema" in node and isinstance(node.get("examples"), dict):
            yield from ((node["schema"], it["value"]) for it in node["examples"].values())
        for inner in node.values():
            yield from examples(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from examples(inner)


@pytest.mark.django_db  # the client closes old connections after an answer from a file
def test_the_pages_of_the_description_are_all_on_this_host() -> None:
    client = Client()
    page = client.get("/api/v1/docs/").content.decode()
    addresses = [it for it in ADDRESS.findall(page) if not it.startswith("data:")]
    assert addresses
    for address in addresses:
        assert address.startswith("/")
        assert not address.startswith("//")
        answer = client.get(address)
        assert answer.status_code == 200
        assert answer.getvalue()
        answer.close()
    assert not re.search(r"https?://(?!localhost|testserver)", page)
