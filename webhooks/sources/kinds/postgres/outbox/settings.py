"""Define the settings of an outbox: its table, the columns that are read, and what becomes of rows after reading."""

from webhooks.sources.kinds.kind import Setting

TABLE = Setting(
    "table",
    "Table",
    "The outbox: a table, or schema.table, written as in the catalog (case matters).",
    is_required=True,
    names_place=True,
    max_length=130,
    example="public.outbox",
)
AFTER = Setting(
    "after",
    "After reading",
    "delete: rows are deleted after they are stored. mark: mark_column is set. leave: rows stay, and a cursor by "
    "time_column and id_column is kept here.",
    default="delete",
    choices=("delete", "mark", "leave"),
    names_place=True,
)
CHANNEL = Setting(
    "channel",
    "Channel",
    "A channel that writers of the outbox NOTIFY, so that rows are read at once. Empty: the table is polled at least "
    "once a second.",
    max_length=63,
    example="outbox",
)
MARGIN = Setting(
    "margin_seconds",
    "Margin",
    "With leave: how many seconds the clock that writes time_column may be behind the clock of the server.",
    "number",
    default=60,
    minimum=1,
    maximum=86_400,
)
EVENT_TYPE = Setting(
    "event_type", "Event type", "Type of all events, instead of type_column.", max_length=256, example="order.paid"
)
CONTENT_TYPE = Setting(
    "content_type",
    "Media type",
    "Of payloads in a text or bytea column; columns of json and jsonb are application/json.",
    default="application/json",
    max_length=200,
)


def _column(name: str, help_text: str, *, is_required: bool = False, example: str = "") -> Setting:
    default = name if is_required else None
    label = f"Column of the {name}"
    return Setting(f"{name}_column", label, help_text, default=default, max_length=63, example=example or name)


COLUMNS = (
    _column("id", "The id of a row, unique and never null: the event's id.", is_required=True),
    _column("payload", "The event's data: json, jsonb, text or bytea.", is_required=True),
    _column("type", "The event's type. Without it and event_type, the payload is taken as it is."),
    _column("headers", "A JSON object of strings: headers of the message.", example="headers"),
    _column("key", "Order key: messages of a key are handled in order.", example="aggregate_id"),
    _column(
        "time",
        "When the event happened: timestamptz or timestamp (in UTC). Rows are read in its order.",
        example="created_at",
    ),
    _column("source", "The event's source, a URI reference. Without it: urn:waypost: and the id of the source."),
    _column("subject", "The event's subject."),
    _column("mark", "With mark: a boolean, or a time that is null until the row was read.", example="published_at"),
)
