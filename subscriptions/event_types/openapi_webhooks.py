"""Read event types from the ``webhooks`` of an OpenAPI 3.1 document, without the database.

Each webhook's POST is one event type, its key the name. A body of ``application/cloudevents+json`` is the whole event,
whose ``data`` is read; a body of ``application/json`` is the data. Schemas that it refers to in the document are copied
below ``$defs``.
"""

from typing import Any

from subscriptions.errors import Invalid
from subscriptions.event_types.json_schema.schema_cost import resolve_pointer
from subscriptions.event_types.schemas import check_examples, check_schema, json_pointer
from subscriptions.json_limits import check_depth
from subscriptions.validation import check_event_type, check_text
from webhooks.wire.cloudevents.http_modes import STRUCTURED

JSON = "application/json"
MAX_TYPES = 1_000
MAX_DEPTH = 100  # of the document
MAX_REFERENCES = 32  # followed from one $ref to the next
MAX_LENGTH = {"description": 4096, "group": 128}  # characters


def read_webhooks(document: Any) -> dict[str, dict[str, Any]]:
    """Return the fields of each event type by its name. Raises Invalid with a pointer into the document."""
    if not isinstance(document, dict) or not str(document.get("openapi", "")).startswith("3.1"):
        raise Invalid("document", "Must be an OpenAPI 3.1 document, as an object.", "/openapi")
    check_depth("document", document, MAX_DEPTH)
    webhooks = document.get("webhooks")
    if not isinstance(webhooks, dict) or not 1 <= len(webhooks) <= MAX_TYPES:
        raise Invalid("document", f"Must have 1 to {MAX_TYPES} webhooks.", "/webhooks")
    return {name: _read_webhook(name, item, document) for name, item in webhooks.items()}


def invalid_webhook(name: str, message: str) -> Invalid:
    """Return the error for a webhook of the document."""
    return Invalid("document", f"{name}: {message}", json_pointer(["webhooks", name]))


def _read_webhook(name: str, item: Any, document: Any) -> dict[str, Any]:
    try:
        check_event_type("document", name)
        operation = _resolved(_resolved(item, document).get("post"), document)
        return _fields(operation, document)
    except Invalid as error:
        raise invalid_webhook(name, error.message) from None
    except (AttributeError, TypeError, KeyError):
        raise invalid_webhook(name, "must be a webhook with a post and a requestBody.") from None


def _fields(operation: dict[str, Any], document: Any) -> dict[str, Any]:
    content = _resolved(operation.get("requestBody", {}), document).get("content", {})
    is_whole_event = STRUCTURED in content
    media = content.get(STRUCTURED if is_whole_event else JSON, {})
    schema = _bundled(media["schema"], document) if "schema" in media else None
    examples = [_resolved(example, document).get("value") for example in media.get("examples", {}).values()]
    examples += [media["example"]] if "example" in media else []
    if is_whole_event:
        schema = _schema_of_data(schema)
        examples = [example["data"] for example in examples if isinstance(example, dict) and "data" in example]
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
    if not isinstance(text, str) or len(text) > MAX_LENGTH[name]:
        raise Invalid("document", f"{name} must be a string of at most {MAX_LENGTH[name]} characters.")
    line = " ".join(text.split())
    check_text("document", line)
    return line


def _schema_of_data(schema: Any) -> Any:
    """Return the schema of ``data`` from the schema of a whole CloudEvent, with the definitions it may refer to."""
    if not isinstance(schema, dict) or "data" not in schema.get("properties", {}):
        return None
    data = schema["properties"]["data"]
    definitions = schema.get("$defs", {})
    return {**data, "$defs": definitions} if definitions and isinstance(data, dict) and "$defs" not in data else data


def _bundled(schema: Any, document: Any) -> Any:
    """Return the schema with all components it refers to, so that it is complete by itself."""
    definitions: dict[str, Any] = {}
    refs: list[str] = []
    bundled = _localized(schema, refs)
    for ref in refs:  # grows meanwhile
        if _last_name(ref) not in definitions:
            definitions[_last_name(ref)] = _localized(_referenced(ref, document), refs)
    if isinstance(bundled, dict) and definitions:
        bundled = {**bundled, "$defs": {**bundled.get("$defs", {}), **definitions}}
    return bundled


def _localized(node: Any, refs: list[str]) -> Any:
    """Return the node with references to components turned into references to ``$defs``; add those to ``refs``."""
    if isinstance(node, list):
        return [_localized(each, refs) for each in node]
    if not isinstance(node, dict):
        return node
    local = {name: _localized(inner, refs) for name, inner in node.items()}
    ref = node.get("$ref")
    if isinstance(ref, str) and ref.startswith("#/components/"):
        refs.append(ref)
        local["$ref"] = f"#/$defs/{_last_name(ref)}"
    return local


def _last_name(ref: str) -> str:
    return ref.rsplit("/", 1)[-1]


def _resolved(node: Any, document: Any) -> Any:
    """Return the node, or what its ``$ref`` leads to within the document."""
    for _ in range(MAX_REFERENCES):
        if not (isinstance(node, dict) and "$ref" in node):
            return node
        node = _referenced(node["$ref"], document)
    raise Invalid("document", "References lead in a circle.")


def _referenced(ref: Any, document: Any) -> Any:
    try:
        if isinstance(ref, str) and ref.startswith("#/"):
            return resolve_pointer(document, ref)
    except KeyError:
        pass
    raise Invalid("document", f"There is nothing at {str(ref)[:200]} in the document; other documents are not fetched.")
