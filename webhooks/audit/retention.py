"""Delete the entries of the audit that are older than the setting WAYPOST_AUDIT_DAYS."""

from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from webhooks.wire.ids import first_id_at

BATCH = 5_000  # rows of one transaction
MAX_BATCHES = 20  # of one call

_EXPIRE = """
    DELETE FROM webhooks_auditentry
     WHERE id = ANY(ARRAY(SELECT id FROM webhooks_auditentry WHERE id < %s ORDER BY id LIMIT %s))
"""  # ids are UUIDv7, so what is older is a range of the primary key


def delete_expired_entries() -> int:
    """Delete entries past their time, a bounded number; return how many. Does nothing with WAYPOST_AUDIT_DAYS=0."""
    if not settings.WAYPOST_AUDIT_DAYS:
        return 0
    before, deleted = first_id_at(timezone.now() - timedelta(days=settings.WAYPOST_AUDIT_DAYS)), 0
    for _ in range(MAX_BATCHES):
        count = _delete_before(before)
        deleted += count
        if count < BATCH:
            break
    return deleted


def _delete_before(before: UUID) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('waypost.audit_expiry', 'yes', true)")
        cursor.execute(_EXPIRE, [before, BATCH])
        count = int(cursor.rowcount)
        cursor.execute("SELECT set_config('waypost.audit_expiry', '', true)")
    return count
