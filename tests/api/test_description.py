"""The OpenAPI document: valid, written for customers, fit for client generators; and its pages."""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import Client
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from config.api.description import FILE
from tests.api.operations import Operation, description, operations

PROBLEM = {"$ref": "#/components/schemas/Problem"}
EVERY = pytest.mark.parametrize("operation", operations(), ids=str)
PROSE = re.compile(r"(?<!`)\b(serializers?|views?|viewsets?|mixins?|querysets?|docstrings?)\b", re.IGNORECASE)
MAINTAINERS_PROSE = re.compile(r"``|\b(for the (schema|description) only|used for the schema)\b")
BANNED_NAMES = re.compile(
    r"RequestRequest$|Enum\d*$|\d$|^(Taken|Said|Made|New|Now|Hour|Wanted|Ask|Trial|Jwk|Key|Reason|Summary|Warning|OneOf|Of|By)"
    r"(?![a-z])|WithText|^Patched|^Paginated|^Blank|^Null"
)
ADDRESS = re.compile(r"""(?:src|href)=["']?([^"' >]+)""")


def test_file_is_what_the_generator_makes_of_the_code() -> None:
    """Run with WAYPOST_WRITE_DESCRIPTION=1 to write it anew."""
    if os.environ.get("WAYPOST_WRITE_DESCRIPTION"):
        FILE.write_text(json.dumps(description(), indent=1, ensure_ascii=False) + "\n")
    assert json.loads(FILE.read_text()) == description()


def test_served_description_is_valid_openapi_3_1() -> None:
    served = Client().get("/api/v1/schema/", headers={"accept": "application/json"}).json()
    assert served.pop("servers") == [{"url": settings.PUBLIC_URL, "description": "This platform."}]
    assert served == {name: it for name, it in description().items() if name != "servers"}
    served["servers"] = description()["servers"]
    assert served["openapi"].startswith("3.1.")
    assert list(OpenAPIV31SpecValidator(served).iter_errors()) == []


def test_generator_gives_no_warnings(tmp_path: Path) -> None:
    """A warning is a component name used twice, or a field of unknown type."""
    call_command("spectacular", "--validate", "--fail-on-warn", file=str(tmp_path / "openapi.yaml"))


def test_operation_ids_are_unique() -> None:
    assert max(Counter(it.described["operationId"] for it in operations()).values()) == 1


@EVERY
def test_operation_id_is_a_function_name(operation: Operation) -> None:
    """Generated clients use it as the function's name: a verb first; many rows are deleted by a POST."""
    verbs = {"post": "create", "put": "replace", "patch": "change", "delete": "delete"}
    name = operation.described["operationId"]
    assert re.fullmatch(r"[a-z]+(_[a-z]+)+", name)
    verb = name.split("_")[0]
    assert verb not in verbs.values() or verb == verbs[operation.method] or operation.path.endswith(f"/{verb}/")


@EVERY
def test_error_responses_are_problems(operation: Operation) -> None:
    """Operations that need a key describe 401, 403, 404 and 503."""
    responses = operation.described["responses"]
    wrong = {status: response for status, response in responses.items() if status >= "400"}
    assert not operation.needs_key or {"401", "403", "404", "503"} <= wrong.keys()
    for response in wrong.values():
        assert response["content"]["application/problem+json"]["schema"] == PROBLEM


@EVERY
def test_operation_describes_successful_response(operation: Operation) -> None:
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


def test_document_and_pages_are_linked_from_the_first_page_and_the_root_of_the_api() -> None:
    root = Client().get("/api/v1/").json()
    page = Client().get("/").content.decode()
    for address in (root["openapi"], root["docs"]):
        assert Client().get(address).status_code == 200
        assert f'href="{address}"' in page
    assert {"events", "endpoints", "subscriptions", "sources"} <= root["resources"].keys()
    assert Client().get("/api/v1").json() == root


def test_tags_of_operations_are_described() -> None:
    assert {tag for it in operations() for tag in it.described["tags"]} == {it["name"] for it in description()["tags"]}


def test_operation_has_one_json_body_at_most() -> None:
    bodies = {str(it): list(it.described.get("requestBody", {}).get("content", {})) for it in operations()}
    assert {name: found for name, found in bodies.items() if found not in ([], ["application/json"])} == {}


def test_enumerations_have_no_empty_value() -> None:
    """Null stands for no value; an empty text would be a member without a name in generated clients."""
    assert [path for path, schema in described_parts() if "" in schema.get("enum", ())] == []


def test_unions_of_objects_have_a_discriminator() -> None:
    """Generated clients read it, instead of trying one type after the other."""
    schemas = description()["components"]["schemas"]
    unions = {}
    for name, schema in schemas.items():
        members = [schemas[it["$ref"].rpartition("/")[2]] for it in schema.get("oneOf", ()) if "$ref" in it]
        if len(members) > 1 and all(it["type"] == "object" for it in members):
            unions[name] = schema
    assert unions
    assert [name for name, schema in unions.items() if "discriminator" not in schema] == []


def described_parts() -> Iterator[tuple[str, Any]]:
    """Yield every component and every property of it, nested ones included, with its path."""
    for name, schema in description()["components"]["schemas"].items():
        yield name, schema
        yield from properties(name, schema)


def properties(path: str, node: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(node, list):
        for place, inner in enumerate(node):
            yield from properties(f"{path}[{place}]", inner)
    elif isinstance(node, dict):
        for name, schema in node.get("properties", {}).items():
            yield f"{path}.{name}", schema
            yield from properties(f"{path}.{name}", schema)
        for keyword in ("items", "oneOf", "allOf", "anyOf", "additionalProperties"):
            yield from properties(path, node.get(keyword))


def texts(node: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield every summary and description in the document, with its path."""
    if isinstance(node, dict):
        for name in ("summary", "description"):
            if isinstance(node.get(name), str):
                yield f"{path}/{name}", node[name]
    for name, inner in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from texts(inner, f"{path}/{name}")


def test_components_and_properties_always_have_description() -> None:
    missing = [path for path, schema in described_parts() if not schema.get("description")]
    assert missing == []


@EVERY
def test_parameters_always_have_description(operation: Operation) -> None:
    parameters = operation.described.get("parameters", [])
    assert [it["name"] for it in parameters if not it.get("description")] == []


@pytest.mark.parametrize("text", ["summary", "description"])
def test_operations_have_text_that_no_other_operation_has(text: str) -> None:
    found = Counter(it.described.get(text) for it in operations())
    assert {it for it, count in found.items() if count > 1 or not it} == set()


def test_component_names_say_what_component_is() -> None:
    assert [name for name in description()["components"]["schemas"] if BANNED_NAMES.search(name)] == []


def test_texts_contain_no_words_of_maintainers() -> None:
    found = [
        (path, text) for path, text in texts(description()) if PROSE.search(text) or MAINTAINERS_PROSE.search(text)
    ]
    assert found == []


def test_nullable_is_written_as_openapi_3_1_writes_it() -> None:
    """The keyword of OpenAPI 3.0 is ignored in 3.1: a generated client would not accept null."""
    assert '"nullable"' not in json.dumps(description())
