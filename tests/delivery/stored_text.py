"""Read what the database keeps of the data of events, as text."""

from django.db import connection

COLUMNS = {
    "delivery_event": "body, original, subject, warnings::text",
    "delivery_delivery": "body, order_key",
    "delivery_attempt": "response, response_headers",
    "delivery_deadletter": "reason",
    "delivery_erasure": "subject",
    "delivery_pendingresult": "reason",
    "webhooks_receipt": "body, headers, history",
}
"""The columns that could contain the data or the subject of an event, by table."""


def stored_text() -> str:
    """Return these columns of all rows as text."""
    found: list[str] = []
    with connection.cursor() as cursor:
        for table, columns in COLUMNS.items():
            cursor.execute(f"SELECT {columns} FROM {table}")
            found += [str(bytes(it) if isinstance(it, memoryview) else it) for row in cursor.fetchall() for it in row]
    return "\n".join(found)
