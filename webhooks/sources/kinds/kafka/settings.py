"""Declare the settings of a Kafka source, and check them without a connection."""

from datetime import datetime
from urllib.parse import urlsplit

from django.utils.module_loading import import_string

from webhooks.outgoing.brokers.kafka_settings import SECURITY, connection_problems
from webhooks.sources.kinds.kind import Connection, Setting

PLAIN = "plain"
NEED_REGISTRY = ("confluent", "apicurio", "apicurio3")
NEED_SCHEMAS = ("glue", "schema")
FORMATS = (PLAIN, *NEED_REGISTRY, *NEED_SCHEMAS)
CHECK_SCHEMAS = "webhooks.sources.kinds.kafka.values.check_schemas"  # imported at its first use, with its library

SETTINGS = (
    Setting(
        "bootstrap_servers",
        "Bootstrap servers",
        "Brokers to begin with, host:port, separated by commas. The others are found from these. Positions are kept if "
        "this changes: another cluster is another source.",
        is_required=True,
        example="broker-1.example.com:9094,broker-2.example.com:9094",
    ),
    Setting(
        "topic",
        "Topic",
        "Topic whose records are read.",
        is_required=True,
        names_place=True,
        max_length=249,
        example="orders",
    ),
    *SECURITY,
    Setting(
        "start",
        "Start",
        "Where a new source begins: earliest, latest, or an RFC 3339 time. Partitions that are added to the topic "
        "later are read from their beginning. Seek to move a source that has begun.",
        default="latest",
        max_length=64,
        example="2026-01-01T00:00:00Z",
    ),
    Setting(
        "on_position_lost",
        "When the position is lost",
        "What to do if the topic's retention has deleted records before they were read: stop (an error until a "
        "seek), or go on at the earliest or the latest record, with a warning in the log.",
        choices=("stop", "earliest", "latest"),
        default="stop",
    ),
    Setting(
        "isolation",
        "Isolation",
        "Whether records of transactions that are open or aborted are read too.",
        choices=("read_committed", "read_uncommitted"),
        default="read_committed",
    ),
    Setting(
        "group",
        "Consumer group",
        "Group to which offsets are committed after records are stored, so that Kafka's tools show the lag; positions "
        "are kept here, not there. Empty: waypost- and the source's id.",
        max_length=249,
        example="webhooks",
    ),
    Setting(
        "commit",
        "Commit offsets",
        "Whether offsets are committed to the consumer group at all.",
        type="boolean",
        default=True,
    ),
    Setting(
        "values",
        "Form of values",
        "plain: as they are, JSON or not. confluent: 0, 4-byte schema id, data. apicurio: 0, 8-byte global id, or "
        "ids in headers. apicurio3: 0, 4-byte content id, or ids in headers. glue: AWS Glue's header of 18 bytes. "
        "schema: data of the only schema in schemas. Avro and Protocol Buffers become JSON.",
        choices=FORMATS,
        default="plain",
    ),
    Setting(
        "registry_url",
        "Schema registry",
        "URL of the schema registry, for confluent, apicurio and apicurio3; for glue only that of an own endpoint.",
        example="https://registry.example.com",
    ),
    Setting("registry_username", "Registry user", "User name at the schema registry.", example="waypost"),
    Setting("registry_password", "Registry password", "Password at the schema registry.", is_credential=True),
    Setting(
        "registry_region",
        "Region of Glue",
        "Region of the AWS Glue Schema Registry, for glue; empty: only the schemas given here.",
        max_length=64,
        example="eu-north-1",
    ),
    Setting(
        "registry_access_key_id",
        "Access key ID for Glue",
        "Access key of a user that may call glue:GetSchemaVersion.",
        max_length=128,
        is_credential=True,
    ),
    Setting("registry_secret_access_key", "Secret access key for Glue", "Its secret.", is_credential=True),
    Setting(
        "registry_session_token",
        "Session token for Glue",
        "Session token of temporary credentials.",
        max_length=4096,
        is_credential=True,
    ),
    Setting(
        "schemas",
        "Schemas",
        "For glue: schemas by the UUID of their version. For schema: one, under *. Each an Avro schema, or the text of "
        "a .proto file.",
        type="object",
        example='{"*": {"type": "record", "name": "Order", "fields": [{"name": "id", "type": "string"}]}}',
    ),
    Setting(
        "protobuf_message",
        "Protobuf message",
        "Name of the message in a .proto file; empty: as the value says, else the first one.",
        example="shop.v1.Order",
    ),
    Setting(
        "envelope_form",
        "Form of the event",
        "value: the record's value. record: an object with topic, partition, offset, timestamp, timestampType, "
        "headers, key and value, as the EventBridge connector for Kafka Connect makes it, of the type "
        "kafka-connect-<topic>.",
        choices=("value", "record"),
        default="value",
    ),
    Setting(
        "tombstones",
        "Tombstones",
        "Whether records without a value are kept, with null as their body, or left out.",
        choices=("keep", "skip"),
        default="keep",
    ),
    Setting(
        "order_by_key",
        "Order by key",
        "Whether receipts of records with the same key are handled in order.",
        type="boolean",
        default=True,
    ),
)


def find_problems(connection: Connection) -> dict[str, str]:
    """Return a message for each setting that cannot work with the others."""
    settings = connection.settings
    problems = connection_problems(connection)
    try:
        read_start(settings["start"])
    except ValueError:
        problems["settings.start"] = "Must be earliest, latest, or a time such as 2026-01-01T00:00:00Z."
    form = settings["values"]
    if form in NEED_REGISTRY and urlsplit(settings.get("registry_url") or "").scheme not in ("http", "https"):
        problems["settings.registry_url"] = f"Values of the form {form} need the URL of a schema registry."
    region = settings.get("registry_region") if form == "glue" else ""
    if region:
        problems |= {
            f"credentials.{it}": "Is required with a region of Glue."
            for it in ("registry_access_key_id", "registry_secret_access_key")
            if not connection.credentials.get(it)
        }
    if form in NEED_SCHEMAS and (settings.get("schemas") or not region):
        try:
            import_string(CHECK_SCHEMAS)(form, settings.get("schemas") or {}, settings.get("protobuf_message") or "")
        except ValueError as error:
            problems["settings.schemas"] = str(error)
    return problems


def read_start(text: str) -> str | datetime:
    """Return earliest, latest, or a time. Raises ValueError."""
    if text in ("earliest", "latest"):
        return text
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("has no offset")
    return moment
