"""List the kinds of sources."""

from dataclasses import dataclass

from webhooks.kit.kinds import registry
from webhooks.kit.kinds.registry import HTTP
from webhooks.sources.kinds.kind import Kind

__all__ = ["FILES", "HTTP", "KindEntry", "find_kind", "installed_kind", "kind_names", "list_kinds"]

FILES: dict[str, str] = {
    "poll": "webhooks.sources.kinds.poll.source.Poll",
    "amqp": "webhooks.sources.kinds.rabbitmq.amqp_queue.Amqp",
    "kafka": "webhooks.sources.kinds.kafka.source.Kafka",
    "kinesis": "webhooks.sources.kinds.aws.kinesis.Kinesis",
    "nats": "webhooks.sources.kinds.nats.jetstream.Nats",
    "pubsub": "webhooks.sources.kinds.google.pubsub.PubSub",
    "sqs": "webhooks.sources.kinds.aws.sqs.Sqs",
    "postgres_outbox": "webhooks.sources.kinds.postgres.outbox.source.PostgresOutbox",
    "postgres_changes": "webhooks.sources.kinds.postgres.changes.PostgresChanges",
}
"""By name of the kind: the dotted path of its class."""
HTTP_DESCRIPTION = (
    "A message that a sender posts to the URL of the source becomes a receipt, once, before the response."
)


@dataclass(frozen=True, slots=True)
class KindEntry(registry.KindEntry):
    """A kind of source as it is listed."""

    is_partitioned: bool = False
    can_seek: bool = False


_KINDS: registry.Registry[Kind, KindEntry] = registry.Registry(
    FILES, KindEntry(HTTP, "HTTP", HTTP_DESCRIPTION), field="kind", owner="A source of the kind"
)
find_kind, installed_kind = _KINDS.find, _KINDS.installed
kind_names, list_kinds = _KINDS.names, _KINDS.entries
