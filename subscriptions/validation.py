"""Check the fields of tenants, keys, endpoints, subscriptions and event types, for REST, admin forms and commands.

Checks are pure and raise Invalid. Stored text is later sent, compiled and shown, so it contains no control characters.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from subscriptions.errors import Invalid
from subscriptions.json_limits import check_json, strings_in
from subscriptions.routing.compiled_patterns import compile_pattern, compile_transformer
from subscriptions.routing.type_names import is_event_type
from webhooks.kit.jsonata.transformer import MEMBERS as JSONATA_MEMBERS
from webhooks.kit.jsonata.transformer import check_expression
from webhooks.kit.rows import has_control_characters, is_uid, uid_format
from webhooks.wire.custom_headers import ForbiddenHeader
from webhooks.wire.custom_headers import check as check_header_set
from webhooks.wire.errors import unknown_member
from webhooks.wire.ids import parse
from webhooks.wire.patterns import InvalidPattern, Pattern
from webhooks.wire.transform import InvalidTransformer

# By prefix: steps of paths in the place of a uid.
RESERVED_UIDS = {"ep": ("batch", "delete"), "sub": ("delete", "test")}
MAX_NAME = 256  # characters
MAX_EVENT_TYPE = 256  # characters
MAX_EVENT_TYPES = 100  # of one subscription
MAX_METADATA = 8 * 1024  # bytes as JSON
MAX_METADATA_DEPTH = 4
MAX_PATTERN = 16 * 1024  # bytes as JSON; what compiling may cost is limited by webhooks.wire.patterns
MAX_PATTERN_DEPTH = 32
MAX_FAILURE_PATTERN = 1024  # bytes as JSON; it is evaluated while deliveries are in flight
TRANSFORMER_MEMBERS = {"input_paths", "texts", "template", "content_type", "jsonata"}
NO_TRANSFORMER = (
    'Must be an object: {"input_paths": {...}, "texts": {...}, "template": "...", "content_type": "..."}, or '
    '{"jsonata": "...", "content_type": "..."}.'
)
MAX_TRANSFORMER = 64 * 1024  # bytes as JSON

EVENT_TYPE_FORM = f"up to {MAX_EVENT_TYPE} characters, without * and without blanks at the ends"


def check_text(field: str, text: str) -> None:
    """Raise Invalid for ``field`` if the text contains control characters or unpaired surrogates."""
    if has_control_characters(text):
        raise Invalid(field, "Must not contain control characters or unpaired surrogates.")


def check_name(name: str) -> None:
    """Raise Invalid unless this can be the name of a tenant or a key."""
    if not name.strip() or len(name) > MAX_NAME:
        raise Invalid("name", f"Must be 1 to {MAX_NAME} characters, not all blank.")
    check_text("name", name)


def check_uid(prefix: str, uid: str | None) -> None:
    """Raise Invalid for a malformed uid, for one that looks like an id of Waypost, and for one that a path has."""
    if uid is None:
        return
    if not is_uid(uid):
        raise Invalid("uid", str(uid_format.message))
    if uid in RESERVED_UIDS.get(prefix, ()):
        raise Invalid("uid", "Must be another name; a path of the API has this one.")
    if _is_id(prefix, uid):
        raise Invalid("uid", f"Must not look like an id of Waypost ({prefix}_...).")


def check_event_type(field: str, name: str) -> None:
    """Raise Invalid for ``field`` unless this is the exact name of an event type, as it can be published."""
    if len(name) > MAX_EVENT_TYPE or not is_event_type(name):
        raise Invalid(field, f"Must be {EVENT_TYPE_FORM}.")
    check_text(field, name)


def check_event_types(event_types: Sequence[str]) -> None:
    """Raise Invalid unless these are exact names, prefixes such as ``order.*`` (all below order), or ``*`` (all)."""
    if not 1 <= len(event_types) <= MAX_EVENT_TYPES:
        raise Invalid("event_types", f"Must be 1 to {MAX_EVENT_TYPES} event types; * is all of them.")
    for name in event_types:
        if len(name) > MAX_EVENT_TYPE or not (name == "*" or is_event_type(name.removesuffix(".*"))):
            raise Invalid("event_types", f"Each must be {EVENT_TYPE_FORM}; order.* (all below order); or * (all).")
        check_text("event_types", name)


def check_headers(headers: Any) -> None:
    """Raise Invalid unless this is an object of header names and values that a tenant may set."""
    if not isinstance(headers, Mapping) or not all(isinstance(value, str) for value in headers.values()):
        raise Invalid("headers", "Must be an object whose values are strings.")
    try:
        check_header_set(headers)
    except ForbiddenHeader as error:
        raise Invalid("headers", _encodable(error)) from None


def check_metadata(metadata: Any) -> None:
    """Raise Invalid unless this is a small object without control characters."""
    if not isinstance(metadata, Mapping):
        raise Invalid("metadata", "Must be an object.")
    check_json("metadata", metadata, MAX_METADATA, MAX_METADATA_DEPTH)
    for text in strings_in(metadata):
        check_text("metadata", text)


def check_pattern(pattern: Any) -> None:
    """Raise Invalid unless this is a valid event pattern."""
    if not isinstance(pattern, Mapping):
        raise Invalid("pattern", "Must be an object.")
    check_json("pattern", pattern, MAX_PATTERN, MAX_PATTERN_DEPTH)
    try:
        compile_pattern(pattern)
    except InvalidPattern as error:
        raise Invalid("pattern", _encodable(error), _encodable(error.path)) from None


def check_failure_pattern(pattern: Any) -> None:
    """Raise Invalid unless this is a small pattern on the JSON body of a response."""
    if not isinstance(pattern, Mapping):
        raise Invalid("failure_pattern", "Must be an object.")
    check_json("failure_pattern", pattern, MAX_FAILURE_PATTERN, MAX_PATTERN_DEPTH)
    try:
        Pattern(dict(pattern))
    except InvalidPattern as error:
        raise Invalid("failure_pattern", _encodable(error), _encodable(error.path)) from None


def check_transformer(transformer: Any) -> None:
    """Raise Invalid unless this is ``{"input_paths": {name: path}, "template": text}`` and compiles.

    It may have ``texts`` and a ``content_type``. Or it is ``{"jsonata": expression}``, perhaps with a ``content_type``;
    then it raises ``webhooks.kit.jsonata.evaluators.EvaluatorUnavailable`` too.
    """
    is_jsonata = isinstance(transformer, Mapping) and "jsonata" in transformer
    if isinstance(transformer, Mapping):
        name, reason = unknown_member(transformer, JSONATA_MEMBERS if is_jsonata else TRANSFORMER_MEMBERS)
        if reason:
            raise Invalid("transformer", reason, f"/{name}")
    if not isinstance(transformer, Mapping) or transformer.keys().isdisjoint(("template", "jsonata")):
        raise Invalid("transformer", NO_TRANSFORMER)
    check_json("transformer", transformer, MAX_TRANSFORMER, max_depth=3)
    try:
        if not is_jsonata:
            _check_template(transformer)
        compile_transformer(transformer)
        if is_jsonata:
            check_expression(transformer["jsonata"])
    except InvalidTransformer as error:
        raise Invalid("transformer", _encodable(error), _encodable(error.path)) from None


def _check_template(transformer: Mapping[str, Any]) -> None:
    paths, template = transformer.get("input_paths", {}), transformer["template"]
    if not isinstance(paths, Mapping) or not all(isinstance(text, str) for text in (template, *paths.values())):
        raise Invalid("transformer", "template and every input path must be strings.")


def _encodable(text: object) -> str:
    """Return the text without unpaired surrogates, which a response cannot contain."""
    return str(text).encode("utf-8", "replace").decode()


def _is_id(prefix: str, text: str) -> bool:
    try:
        parse(prefix, text)
    except ValueError:
        return False
    return True
