"""Import of OpenAPI webhooks: all types or none; an exported document is imported unchanged."""

from contextlib import suppress
from typing import Any

import pytest

from subscriptions.errors import Invalid
from subscriptions.event_types.exporting import as_openapi
from subscriptions.event_types.importing import ImportReport, import_openapi
from subscriptions.event_types.models import EventType
from tests.factories import make_event_type

pytestmark = pytest.mark.django_db

ORDER = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "lines": {"items": {"$ref": "#/components/schemas/Line"}}},
}
LINE = {"type": "object", "properties": {"sku": {"type": "string"}, "parent": {"$ref": "#/components/schemas/Line"}}}


def webhook(schema: Any = None, **changes: Any) -> dict[str, Any]:
    content = {"application/json": {} if schema is None else {"schema": schema}}
    return {"post": {"requestBody": {"content": content}, **changes}}


def document(webhooks: Any = None, **components: Any) -> dict[str, Any]:
    webhooks = {"order.paid": webhook(ORDER)} if webhooks is None else webhooks
    return {"openapi": "3.1.0", "webhooks": webhooks, "components": {"schemas": {"Line": LINE}, **components}}


def run_import(given: Any, *, dry_run: bool = False) -> ImportReport:
    return import_openapi(None, given, dry_run=dry_run, by_operator=True)


def test_webhook_becomes_a_type_with_the_schemas_it_refers_to() -> None:
    given = webhook(ORDER, description="It was\n paid.", tags=["Orders", "Money"], deprecated=True)
    assert run_import(document({"order.paid": given})).created == ["order.paid"]
    row = EventType.objects.get()
    assert (row.name, row.description, row.group, row.deprecated) == ("order.paid", "It was paid.", "Orders", True)
    assert row.schema["properties"]["lines"] == {"items": {"$ref": "#/$defs/Line"}}
    assert row.schema["$defs"]["Line"]["properties"]["parent"] == {"$ref": "#/$defs/Line"}


def test_examples_are_imported() -> None:
    body = {"schema": ORDER, "example": {"id": "a"}, "examples": {"x": {"$ref": "#/components/examples/X"}}}
    given = {"order.paid": {"post": {"requestBody": {"content": {"application/json": body}}}}}
    run_import(document(given, examples={"X": {"value": {"id": "b"}}}))
    assert EventType.objects.get().examples == [{"id": "b"}, {"id": "a"}]


def test_references_to_webhooks_and_bodies_are_resolved() -> None:
    body = {"content": {"application/json": {"schema": {"type": "string"}}}}
    item = {"post": {"requestBody": {"$ref": "#/components/requestBodies/B"}}}
    given = document({"a": {"$ref": "#/components/pathItems/A"}}, pathItems={"A": item}, requestBodies={"B": body})
    run_import(given)
    assert EventType.objects.get().schema == {"type": "string"}


def test_import_again_changes_only_what_differs() -> None:
    run_import(document())
    assert run_import(document()).unchanged == ["order.paid"]
    report = run_import(document({"order.paid": webhook({"type": "object"}, summary="Paid"), "refund": webhook()}))
    assert (report.created, report.unchanged) == (["refund"], [])
    assert report.changed == [{"name": "order.paid", "changes": ["description", "schema"]}]
    assert EventType.objects.get(name="order.paid").version == 2


def test_dry_run_reports_and_writes_nothing() -> None:
    make_event_type(name="order.paid")
    report = run_import(document({"order.paid": webhook(ORDER), "b": webhook()}), dry_run=True)
    assert (report.dry_run, report.created, report.changed[0]["name"]) == (True, ["b"], "order.paid")
    assert [it.version for it in EventType.objects.all()] == [0]


def test_exported_document_is_imported_unchanged() -> None:
    schema = {
        "type": "object",
        "properties": {"lines": {"items": {"$ref": "#/$defs/L"}}},
        "$defs": {"L": {"type": "object"}},
    }
    make_event_type(name="order.paid", schema=schema, examples=[{"lines": [{}]}], group="Orders", description="Paid.")
    make_event_type(name="bare", deprecated=True)
    exported = as_openapi(EventType.objects.all())
    assert sorted(run_import(exported).unchanged) == ["bare", "order.paid"]


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ("x", "/openapi"),
        ({"openapi": "3.0.3", "webhooks": {}}, "/openapi"),
        ({"openapi": "3.1.0"}, "/webhooks"),
        (document({}), "/webhooks"),
        (document({"a*b": webhook()}), "/webhooks/a*b"),
        (document({"a": 5}), "/webhooks/a"),
        (document({"a": {}}), "/webhooks/a"),
        (document({"a": {"post": {"requestBody": 5}}}), "/webhooks/a"),
        (document({"a": webhook({"type": "objekt"})}), "/webhooks/a"),
        (document({"a": webhook({"$ref": "https://example.com/x"})}), "/webhooks/a"),
        (document({"a": webhook({"$ref": "#/components/schemas/None"})}), "/webhooks/a"),
        (document({"a": {"$ref": "#/webhooks/a"}}), "/webhooks/a"),
        (document({"a": webhook(tags=[5])}), "/webhooks/a"),
        (document({"a": webhook(description=5)}), "/webhooks/a"),
        (document({"ok": webhook(), "waypost.x": webhook()}), "/webhooks/waypost.x"),
    ],
    ids=lambda part: ascii(part)[:50],
)
def test_invalid_document_is_rejected_with_a_pointer_and_writes_nothing(given: Any, pointer: str) -> None:
    with pytest.raises(Invalid) as caught:
        run_import(given)
    assert (caught.value.field, caught.value.pointer) == ("document", pointer)
    assert not EventType.objects.exists()


def test_long_chain_of_references_is_resolved() -> None:
    chain = {f"S{n}": {"properties": {"next": {"$ref": f"#/components/schemas/S{n + 1}"}}} for n in range(300)}
    given = document({"a": webhook({"$ref": "#/components/schemas/S0"})})
    given["components"]["schemas"] = {**chain, "S300": {"type": "string"}}
    with suppress(Invalid):  # it may be too costly; it must not break
        run_import(given)


def test_deeply_nested_document_is_rejected() -> None:
    schema: dict[str, Any] = {}
    for _ in range(2_000):
        schema = {"not": schema}
    with pytest.raises(Invalid, match="levels deep"):
        run_import(document({"a": webhook(schema)}))
