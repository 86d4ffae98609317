"""Hide values of entries that are payloads from those who may not see payloads.

A model names the columns that hold a payload, or a part of one, in ``payload_columns``.
"""

from collections.abc import Callable

from webhooks.audit.models import AuditEntry
from webhooks.audit.objects import audited_models


def hide_payload_columns(entry: AuditEntry, sees: Callable[[str], bool], text: str) -> AuditEntry:
    """Return the entry, in memory, with this text in place of each value that is a payload.

    ``sees``: whether the reader may see the payloads of an app, by its label.
    """
    model = audited_models().get(entry.object_type)
    columns = getattr(model, "payload_columns", ())
    if model is None or not columns or sees(model._meta.app_label):
        return entry
    for values in (entry.before, entry.after):
        if values:
            values.update({name: text for name in columns if name in values})
    return entry
