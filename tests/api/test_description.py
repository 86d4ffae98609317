"""The OpenAPI description is valid and complete, and its pages load nothing from other hosts."""

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


def test_served_description_is_valid_openapi_3_1() -> None:
    served = Client().get("/api/v1/schema/", headers={"accept": "application/json"}).json()
    assert served == description()
    assert served["openapi"].startswith("3.1.")
    assert list(OpenAPIV31SpecValidator(served).iter_errors()) == []


def test_generator_gives_no_warnings(tmp_path: Path) -> None:
    """A warning is a component name used twice, or a field of unknown type."""
    call_command("spectacular", "--validate", "--fail-on-warn", file=str(tmp_path / "openapi.yaml"))


def test_operation_ids_are_unique() -> None:
    assert max(Counter(it.described["operationId"] for it in operations()).values()) == 1


@EVERY
def test_operation_id_is_a_function_name(operation: Operation) -> None:
    """Generated clients use it as the function's name: a verb first."""
    verbs = {"post": "create", "put": "replace", "patch": "change", "delete": "delete"}
    name = operation.described["operationId"]
    assert re.fullmatch(r"[a-z]+(_[a-z]+)+", name)
    verb = name.split("_")[0]
    assert verb == verbs[operation.method] if verb in verbs.values() else True


@EVERY
def test_error_responses_are_problems(operation: Operation) -> None:
    """Operations that need a key describe 401, 403, 404 and 503."""
    responses = operation.described["responses"]
    wrong = {status: response for status, response in responses.items() if status >= "400"}
    assert not operation.needs_key or {"401", "403", "404", "503"} <= wrong.keys()
    for response in wrong.values():
        assert response["content"]["application/problem+json"]["schema"] == PROBLEM


@EVERY
def test_operation_has_a_summary_or_description_and_a_success(operation: Operation) -> None:
    assert operation.described.get("summary") or operation.described.get("description")
    assert any(status < "400" for status in operation.described["responses"])


def test_examples_match_their_schemas() -> None:
    """Validate the examples of requests and responses."""
    found = list(examples(description()["paths"]))
    assert found
    for schema, example in found:
        OAS31Validator({**schema, "components": description()["components"]}).validate(example)


def examples(node: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each example with its schema."""
    if isinstance(node, dict):
        if "schema" in node and isinstance(node.get("examples"), dict):
            yield from ((node["schema"], it["value"]) for it in node["examples"].values())
        for inner in node.values():
            yield from examples(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from examples(inner)


@pytest.mark.django_db  # the client closes old connections after a response from a file
def test_pages_of_the_description_load_from_this_host_only() -> None:
    client = Client()
    page = client.get("/api/v1/docs/").content.decode()
    addresses = [it for it in ADDRESS.findall(page) if not it.startswith("data:")]
    assert addresses
    for address in addresses:
        assert address.startswith("/")
        assert not address.startswith("//")
        response = client.get(address)
        assert response.status_code == 200
        assert response.getvalue()
        response.close()
    assert not re.search(r"https?://(?!localhost|testserver)", page)
