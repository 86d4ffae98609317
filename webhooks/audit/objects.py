"""Name the objects of entries: by their public ids, and by the pages and models of their types."""

from functools import cache
from uuid import UUID

from django.apps import apps
from django.db.models import Model

from webhooks.audit.models import AuditEntry
from webhooks.kit.rest.lookup import object_of
from webhooks.wire.ids import public


@cache
def audited_models() -> dict[str, type[Model]]:
    """Return the models that entries are about, by the name that entries have."""
    labels = ("webhooks", "subscriptions", "delivery", "auth")
    return {str(it._meta.model_name): it for it in apps.get_models() if it._meta.app_label in labels}


def public_object_id(entry: AuditEntry) -> str:
    """Return the id of the object as it is shown outside; empty if the entry is about none."""
    prefix = str(getattr(audited_models().get(entry.object_type), "prefix", ""))
    try:
        return public(prefix, UUID(entry.object_key)) if prefix else entry.object_key
    except ValueError:
        return entry.object_key


def object_named(public_id: str) -> tuple[str, str] | None:
    """Return the type and key of the object with this public id; None if no type has such ids."""
    named = object_of(public_id)
    return None if named is None else (str(named[0]._meta.model_name), str(named[1]))
