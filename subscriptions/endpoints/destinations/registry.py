"""List the kinds of destinations, and check settings against what a kind says of them.

The files of the kinds are in an app above this one, so they are named, not imported.
"""

from collections.abc import Mapping
from typing import Any

from subscriptions.endpoints.destinations.kind import Connection, Kind
from webhooks.kit.kinds.registry import HTTP, KindEntry, Registry
from webhooks.kit.kinds.setting import check_settings

__all__ = ["FILES", "HTTP", "checked_connection", "find_kind", "installed_kind", "kind_names", "list_kinds"]

FILES: dict[str, str] = {
    "sqs": "delivery.destinations.sqs.Sqs",
    "sns": "delivery.destinations.sns.Sns",
    "eventbridge": "delivery.destinations.eventbridge.EventBridge",
    "lambda": "delivery.destinations.aws_lambda.Lambda",
    "kinesis": "delivery.destinations.kinesis.Kinesis",
    "s3": "delivery.destinations.s3.S3",
    "pubsub": "delivery.destinations.pubsub.PubSub",
    "azure_service_bus": "delivery.destinations.azure_service_bus.AzureServiceBus",
    "azure_event_grid": "delivery.destinations.azure_event_grid.AzureEventGrid",
    "cloudflare_queue": "delivery.destinations.cloudflare_queue.CloudflareQueue",
    "redis_stream": "delivery.destinations.redis_stream.RedisStream",
    "postgres": "delivery.destinations.postgres.Postgres",
    "kafka": "delivery.destinations.kafka.Kafka",
    "amqp": "delivery.destinations.amqp.Amqp",
    "nats": "delivery.destinations.nats.Nats",
    "email": "delivery.destinations.mail.Email",
    "poll": "delivery.destinations.poll.Poll",
}
"""By name of the kind: the dotted path of its class."""
HTTP_DESCRIPTION = (
    "An event becomes a signed POST request to a URL. At least once: a response with status 2xx acknowledges it."
)

_KINDS: Registry[Kind, KindEntry] = Registry(
    FILES, KindEntry(HTTP, "HTTP", HTTP_DESCRIPTION), field="type", owner="An endpoint of the type"
)
find_kind, installed_kind = _KINDS.find, _KINDS.installed
kind_names, list_kinds = _KINDS.names, _KINDS.entries


def checked_connection(
    name: str, connection: Connection, settings: Mapping[str, Any], credentials: Mapping[str, Any]
) -> tuple[Kind, Connection]:
    """Return the kind and the connection with these settings and credentials, with defaults, as they are stored.

    Raises InvalidSettings with all faults.
    """
    kind = installed_kind(name)
    checked, confidential = check_settings(kind.settings, settings, credentials)
    connection = Connection(connection.endpoint, connection.share, checked, confidential)
    kind.check(connection)
    return kind, connection
