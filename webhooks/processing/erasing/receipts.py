"""Erase the bodies and headers of receipts whose events were erased, and keep that they were received.

Only settled receipts are erased: one that is not settled has not published its event. The message id and the order key
stay, since they recognise repeats; a body in storage is deleted after the commit.
"""

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from django.core.files.storage import storages
from django.db import transaction

from webhooks.models import Receipt, Source
from webhooks.processing.receipts import SETTLED
from webhooks.wire.ids import URN, parse


def erase_receipts(*, tenant_id: UUID, names: Sequence[tuple[str, str]], **_: object) -> int:
    """Erase the receipts of these events, each a source and an id; return how many (receiver of ``events_erased``)."""
    sources = set(Source.objects.filter(tenant_id=tenant_id).values_list("id", flat=True))
    found: dict[UUID, str] = {}
    for source, event_id in names:
        named = _source_of(source)
        of = sources if named is None else {named} & sources
        for may_repeat in (False, True):  # each has an index: receipt_message_id_unique, receipt_message_id
            rows = Receipt.objects.filter(SETTLED, source__in=of, message_id=event_id, may_repeat=may_repeat)
            found |= dict(rows.filter(size__gt=0).values_list("id", "body_key"))
    erased = {"body": b"", "body_key": "", "size": 0, "sha256": "", "headers": {}, "history": [], "last_error": ""}
    Receipt.objects.filter(SETTLED, id__in=list(found)).update(**erased)
    for key in filter(None, found.values()):
        transaction.on_commit(partial(storages["claims"].delete, key))
    return len(found)


def _source_of(uri: str) -> UUID | None:
    """Return the key of our source in the source of an event; None if the event has the source of its sender."""
    try:
        return parse(Source.prefix, uri.removeprefix(URN)) if uri.startswith(URN) else None
    except ValueError:
        return None
