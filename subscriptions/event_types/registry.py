"""Create, change and delete event types. A schema that differs from the current one becomes the next version.

Types of the deployment are managed by operators and apply to all tenants. A tenant may have types of its own, under
names that the deployment does not use. An operator may also give one tenant a type under a name of the deployment,
which then replaces it for that tenant.
"""

from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from subscriptions.errors import AlreadyExists, Invalid, StateConflict
from subscriptions.event_types.exact_json import to_json
from subscriptions.event_types.indexed_paths import check_indexed_paths
from subscriptions.event_types.json_schema import schema_check
from subscriptions.event_types.models import EventSchema, EventType
from subscriptions.event_types.schemas import check_examples, check_schema
from subscriptions.masking.masks import check_masks
from subscriptions.models import Tenant
from subscriptions.routing.type_names import OPERATIONAL
from subscriptions.validation import check_event_type

MAX_TYPES = 5_000  # of a tenant, unless an operator creates more: each process has the names of all types in memory
MAX_VERSIONS = 100  # of a schema that are kept: each process that checks events of the type reads all of them


def create(tenant: Tenant | None, fields: dict[str, Any], *, by_operator: bool) -> EventType:
    """Create a type, of the deployment if ``tenant`` is None.

    Raises Invalid, AlreadyExists for a name in use, and StateConflict if the tenant has MAX_TYPES.
    """
    name = fields["name"]
    check_event_type("name", name)
    if name.startswith(OPERATIONAL):
        raise Invalid("name", f"Must not begin with {OPERATIONAL}, which is reserved for the platform's events.")
    if tenant is not None and not by_operator and EventType.objects.filter(tenant=None, name=name).exists():
        raise AlreadyExists("name", "The platform has a type with this name, which applies to you too.")
    schema, examples = fields.get("schema"), fields.get("examples", [])
    _check(schema, examples)
    check_masks(fields.get("masks", []))
    check_indexed_paths(fields.get("indexed_paths", []))
    plain = {key: value for key, value in fields.items() if key not in ("schema", "examples")}
    row = EventType(tenant=tenant, examples_text=to_json(examples), version=int(schema is not None), **plain)
    try:
        with transaction.atomic():
            if tenant is not None and not by_operator:
                _check_number(tenant)
            row.save(force_insert=True)
            if schema is not None:
                EventSchema.objects.create(event_type=row, version=1, text=to_json(schema))
    except IntegrityError:
        raise AlreadyExists("name", "This name is already in use.") from None
    transaction.on_commit(schema_check.clear_cache)
    return row


def change(row: EventType, fields: dict[str, Any]) -> EventType:
    """Write the given fields only. Raises Invalid, also if the examples do not match the schema afterwards."""
    if fields.get("name", row.name) != row.name:
        raise StateConflict("name", "Cannot be changed, since events and subscriptions refer to it; create a new type.")
    with transaction.atomic():
        row = EventType.objects.select_for_update(of=("self",), no_key=True).get(pk=row.pk)
        schema = fields.get("schema", row.schema)
        examples = fields.get("examples", row.examples)
        if "schema" in fields or "examples" in fields:
            _check(schema, examples)
        check_masks(fields.get("masks", []))
        check_indexed_paths(fields.get("indexed_paths", []))
        for name, value in fields.items():
            if name not in ("schema", "examples", "name"):
                setattr(row, name, value)
        row.examples_text = to_json(examples)
        _set_version(row, schema)
        row.updated_at = timezone.now()
        row.save()
    transaction.on_commit(schema_check.clear_cache)
    return EventType.objects.get(pk=row.pk)


def delete(row: EventType) -> None:
    """Delete the type and its schemas. Events of this name are then accepted as unregistered.

    Raises EventType.DoesNotExist if it was deleted meanwhile.
    """
    with transaction.atomic():
        # First the type, which Django would delete after its schemas: a change locks it first, too.
        EventType.objects.select_for_update(of=("self",)).get(pk=row.pk).delete()
    transaction.on_commit(schema_check.clear_cache)


def _check_number(tenant: Tenant) -> None:
    Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
    if EventType.objects.filter(tenant=tenant).count() >= MAX_TYPES:
        raise StateConflict("name", f"A tenant has at most {MAX_TYPES:,} event types; delete some first.")


def _check(schema: Any, examples: Any) -> None:
    if schema is not None:
        check_schema(schema)
    check_examples(examples, schema)


def _set_version(row: EventType, schema: Any) -> None:
    """Keep the version of an unchanged schema; store a changed one under a number that was never used."""
    text = None if schema is None else to_json(schema)
    current = row.current
    if text is None:
        row.version = 0
    elif current is None or current.text != text:
        latest = row.schemas.order_by("-version").first()
        row.version = 1 if latest is None else latest.version + 1
        EventSchema.objects.create(event_type=row, version=row.version, text=text)
        EventSchema.objects.filter(event_type=row, version__lte=row.version - MAX_VERSIONS).delete()
