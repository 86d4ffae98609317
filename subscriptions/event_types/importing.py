"""Import event types from the webhooks of an OpenAPI 3.1 document: all of them in one transaction, or none.

What ``exporting`` writes can be imported again and changes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.db import transaction

from subscriptions.errors import Invalid
from subscriptions.event_types import registry
from subscriptions.event_types.exact_json import to_json
from subscriptions.event_types.models import EventType, SchemaCheckMode
from subscriptions.event_types.openapi_webhooks import invalid_webhook, read_webhooks
from subscriptions.models import Tenant


@dataclass(slots=True)
class ImportReport:
    """Describe what an import did, or would do: names of types, and for changed ones the names of fields."""

    dry_run: bool
    created: list[str] = field(default_factory=list)
    changed: list[dict[str, Any]] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)


def import_openapi(
    tenant: Tenant | None, document: Any, *, dry_run: bool, by_operator: bool, schema_check: str = SchemaCheckMode.WARN
) -> ImportReport:
    """Create and change the types of the tenant (None: of the deployment) as the document says.

    ``schema_check`` is for created types. Raises Invalid with a pointer into the document; then nothing is written.
    """
    types = read_webhooks(document)
    report = ImportReport(dry_run)
    with transaction.atomic():
        for name, fields in types.items():
            row = EventType.objects.prefetch_related("schemas").filter(tenant=tenant, name=name).first()
            if row is None:
                report.created.append(name)
                new = {"name": name, "schema_check": schema_check, **fields}
                _write(name, partial(registry.create, tenant, new, by_operator=by_operator))
            elif changes := [key for key, value in fields.items() if to_json(getattr(row, key)) != to_json(value)]:
                report.changed.append({"name": name, "changes": changes})
                _write(name, partial(registry.change, row, fields))
            else:
                report.unchanged.append(name)
        transaction.set_rollback(dry_run)
    return report


def _write(name: str, write: Callable[[], EventType]) -> None:
    try:
        write()
    except Invalid as error:
        raise invalid_webhook(name, error.message) from None
