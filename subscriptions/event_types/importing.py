"""Event types out of the ``webhooks`` of an OpenAPI 3.1 document: read first, all of it, and then written in one go.

Each webhook's POST is one event type, its key the name. The body under ``application/cloudevents+json`` is the whole
event, of which ``data`` is taken; under ``application/json`` it is the data. What the schemas refer to elsewhere in
the document comes along, below ``$defs``. What one exports can be imported again, and nothing changes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from subscriptions.errors import Invalid
from subscriptions.event_types import registry
from subscriptions.event_types.models import EventType, SchemaCheckMode
from subscriptions.event_types.schema_cost import resolve_pointer
from subscriptions.event_types.schemas import check_examples, check_schema, to_json
from subscriptions.models import Tenant
from subscriptions.validation import check_depth, check_event_type, check_text

__all__ = ["ImportReport", "import_openapi"]

CLOUDEVENT, JSON = "application/cloudevents+json", "application/json"
MOST_TYPES = 1_000
MOST_LEVELS = 100  # of the document
MOST_HOPS = 32  # from one $ref to the next
LONGEST = {"description": 4096, "group": 128}
SCHEMAS = "#/components/schemas/"


@dataclass(slots=True)
class ImportReport:
    """What the import did, or would do; ``changed`` names the fields."""

    dry_run: bool
    created: list[str] = field(default_factory=list)
    changed: list[dict[str, Any]] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)


def import_openapi(
    tenant: Tenant | None, document: Any, *, dry_run: bool, by_operator: bool, schema_check: str = SchemaCheckMode.WARN
) -> ImportReport:
    """Raises Refused with the place in the document; then nothing was written."""
    found = dict(_types(document))
    report = ImportReport(dry_run)
    with transaction.atomic():
        for name, fields in found.items():
            row = EventType.objects.prefetch_related("schemas").filter(tenant=tenant, name=name).first()
            if row is None:
                report.created.append(name)
                _write(
                    name,
                    lambda name=name, fields=fields: registry.create(
                        tenant, {"name": name, "schema_check": schema_check, **fields}, by_operator=by_operator
                    ),
                )
            elif changes := [key for key, value in fields.items() if not _same(getattr(row, key), value)]:
                report.changed.append({"name": name, "changes": changes})
                _write(name, lambda row=row, fields=fields: registry.change(row, fields))
            else:
                report.unchanged.append(name)
        transaction.set_rollback(dry_run)
    return report


def _write(name: str, verb: Any) -> None:
    try:
        verb()
    except Invalid as error:
        raise _refused(f"{name}: {error.message}", _at("webhooks", name)) from None


def _same(one: Any, other: Any) -> bool:
    return to_json(one) == to_json(other)


def _types(document: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if not isinstance(document, dict) or not str(document.get("openapi", "")).startswith("3.1"):
        raise _refused("Give an OpenAPI 3.1 document, as an object.", "/openapi")
    check_depth("document", document, MOST_LEVELS)
    webhooks = document.get("webhooks")
    if not isinstance(webhooks, dict) or not 1 <= len(webhooks) <= MOST_TYPES:
        raise _refused(f"Give 1 to {MOST_TYPES} webhooks.", "/webhooks")
    for name, item in webhooks.items():
        at = _at("webhooks", name)
        try:
            check_event_type("document", name)
            operation = _followed(_followed(item, document).get("post"), document)
            yield name, _fields(operation, document)
        except Invalid as error:
            raise _refused(f"{name}: {error.message}", at) from None
        except (AttributeError, TypeError, KeyError):
            raise _refused(f"{name}: this is not a webhook with a post and a requestBody.", at) from None


def _fields(operation: dict[str, Any], document: Any) -> dict[str, Any]:
    content = _followed(operation.get("requestBody", {}), document).get("content", {})
    whole = CLOUDEVENT in content
    media = content.get(CLOUDEVENT if whole else JSON, {})
    schema = _bundled(media["schema"], document) if "schema" in media else None
    examples = [_followed(it, document).get("value") for it in media.get("examples", {}).values()]
    examples += [media["example"]] if "example" in media else []
    if whole:
        schema = _data_of(schema)
        examples = [it["data"] for it in examples if isinstance(it, dict) and "data" in it]
    if schema is not None:
        check_schema(schema)
    check_examples(examples, schema)
    tags = operation.get("tags", [])
    return {
        "description": _text("description", operation.get("description") or operation.get("summary") or ""),
        "group": _text("group", tags[0] if tags else ""),
        "deprecated": operation.get("deprecated") is True,
        "schema": schema,
        "examples": examples,
    }


def _text(name: str, text: Any) -> str:
    if not isinstance(text, str) or len(text) > LONGEST[name]:
        raise Invalid("document", f"Its {name} is text of at most {LONGEST[name]} characters.")
    said = " ".join(str(text).split())
    check_text("document", said)
    return said


def _data_of(schema: Any) -> Any:
    """The part about ``data`` in the schema of a whole CloudEvent, with what it refers to."""
    if not isinstance(schema, dict) or "data" not in schema.get("properties", {}):
        return None
    data = schema["properties"]["data"]
    definitions = schema.get("$defs", {})
    return {**data, "$defs": definitions} if definitions and isinstance(data, dict) and "$defs" not in data else data


def _bundled(schema: Any, document: Any) -> Any:
    """The schema with all it refers to in the document, so that it stands by itself."""
    definitions: dict[str, Any] = {}
    refs: list[str] = []
    bundled = _local(schema, refs)
    for ref in refs:  # which grows meanwhile
        if _name_of(ref) not in definitions:
            definitions[_name_of(ref)] = _local(_found(ref, document), refs)
    if isinstance(bundled, dict) and definitions:
        bundled = {**bundled, "$defs": {**bundled.get("$defs", {}), **definitions}}
    return bundled


def _local(node: Any, refs: list[str]) -> Any:
    """The node with its references to components made local; those are added to ``refs``."""
    if isinstance(node, list):
        return [_local(each, refs) for each in node]
    if not isinstance(node, dict):
        return node
    local = {name: _local(inner, refs) for name, inner in node.items()}
    ref = node.get("$ref")
    if isinstance(ref, str) and ref.startswith("#/components/"):
        refs.append(ref)
        local["$ref"] = f"#/$defs/{_name_of(ref)}"
    return local


def _name_of(ref: str) -> str:
    return ref.rsplit("/", 1)[-1]


def _followed(node: Any, document: Any) -> Any:
    """The node, or what its ``$ref`` leads to within the document."""
    for _ in range(MOST_HOPS):
        if not (isinstance(node, dict) and "$ref" in node):
            return node
        node = _found(node["$ref"], document)
    raise Invalid("document", "Its references lead in a circle.")


def _found(ref: Any, document: Any) -> Any:
    try:
        if isinstance(ref, str) and ref.startswith("#/"):
            return resolve_pointer(document, ref)
    except KeyError:
        pass
    raise Invalid("document", f"There is nothing at {str(ref)[:200]} in the document; nothing is fetched.")


def _at(*steps: str) -> str:
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)


def _refused(message: str, place: str) -> Invalid:
    return Invalid("document", message, place)
