"""Create, change and delete sources.

``fields`` have the names of the REST API, and their values have been validated.
"""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Coalesce
from django.utils import timezone

from webhooks.kit.encryption import encrypt
from webhooks.kit.rows import UID_IN_USE, unique_uid
from webhooks.kit.tenancy import tenant_required
from webhooks.models import Source
from webhooks.sources.configuration import InvalidConfiguration, generated_secret, trimmed_secret
from webhooks.sources.connections import encrypted
from webhooks.sources.partitions import begin_reading, end_reading, reconsider_reading
from webhooks.sources.secret_rotation import add_secret
from webhooks.sources.snapshot import clear_snapshots


class UidInUse(InvalidConfiguration):
    """Another source of the same owner has this uid."""

    def __init__(self) -> None:
        super().__init__("uid", UID_IN_USE)


def create_source(*, tenant_id: UUID | None = None, secret: str | None = None, **fields: Any) -> Source:
    """Create a source and its first secret; without one, the secret of the scheme ``standard`` is generated.

    Raises UidInUse, UnknownTenant, and ValueError if a limit of the tenant is reached.
    """
    with unique_uid(UidInUse):
        if tenant_id is not None:
            tenant_required.send(Source, tenant_id=tenant_id)
        source = Source.objects.create(tenant_id=tenant_id, **_columns(fields))
        if secret := secret or generated_secret(source.scheme):
            add_secret(source, secret)
        begin_reading(source)
    return source


def change_source(source: Source, fields: dict[str, Any]) -> Source:
    """Change the given fields of a source; return the source as stored.

    Other columns are not written, so that a concurrent change of them (a pause) is not undone. Raises UidInUse,
    Source.DoesNotExist if the source was deleted meanwhile.
    """
    columns, former = _columns(fields), dict(source.settings)
    for name, value in columns.items():
        setattr(source, name, value)
    with unique_uid(UidInUse):
        source.save(update_fields=[*columns, "updated_at"])
        reconsider_reading(source, former)
    clear_snapshots()
    return Source.objects.get(pk=source.pk, deleted_at=None)


def delete_source(source: Source) -> None:
    """Mark a source as deleted.

    Its sender gets 410 from now on, and its receipts stay until their retention ends. Its id is never given again; its
    uid may name another source of the owner, which gets no messages of this one, because a uid is no address.
    """
    source.deleted_at = timezone.now()
    with transaction.atomic():
        source.save(update_fields=["deleted_at", "updated_at"])
        reconsider_reading(source, source.settings)
    clear_snapshots()


def count_sources_of(*, tenant_id: UUID, **_: Any) -> dict[str, int]:
    """Return how many sources a tenant has, by the name of their limit (receiver of ``tenant_usage``)."""
    return {"max_sources": Source.objects.filter(tenant_id=tenant_id, deleted_at=None).count()}


def delete_sources_of(*, tenant_id: UUID, **_: Any) -> None:
    """Delete all sources of a tenant, in the transaction that deletes the tenant (receiver of ``tenant_deleted``).

    Their pending receipts are given up by the workers, because their owner is gone.
    """
    now = timezone.now()
    Source.objects.filter(tenant_id=tenant_id, tenant_deleted_at=None).update(
        deleted_at=Coalesce("deleted_at", now), tenant_deleted_at=now, updated_at=now
    )
    end_reading(tenant_id)
    transaction.on_commit(clear_snapshots)


def _columns(fields: dict[str, Any]) -> dict[str, Any]:
    """Map fields to columns: ``state`` becomes the time ``paused_at``, secrets are encrypted."""
    columns = dict(fields)
    if "state" in columns:
        columns["paused_at"] = timezone.now() if columns.pop("state") == Source.State.PAUSED else None
    if columns.get("verify_token"):
        columns["verify_token"] = encrypt(trimmed_secret(columns["verify_token"], "verify_token"))
    if "credentials" in columns:
        columns["credentials"] = encrypted(columns["credentials"])
    return columns
