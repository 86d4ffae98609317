"""List the kinds of sources, and check settings against what a kind says of them.

A file is imported at its first use, because the library of its system may be absent, and costs memory.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.utils.module_loading import import_string

from webhooks.kit.kinds import setting
from webhooks.kit.kinds.setting import InvalidSettings, Setting, missing_modules, not_installed
from webhooks.sources.kinds.kind import Kind

HTTP = "http"  # sources that senders post to: no file here, because their messages are not fetched
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


def kind_names() -> list[str]:
    """Return the names of all kinds, ``http`` first."""
    return [HTTP, *FILES]


@cache
def find_kind(name: str) -> Kind:
    """Return a kind by name. Raises KeyError."""
    kind: Kind = import_string(FILES[name])()
    return kind


def check_settings(
    kind: Kind, settings: Mapping[str, Any], credentials: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return settings with defaults, and credentials, as they are stored. Raises InvalidSettings with all faults."""
    if problem := not_installed(f"A source of the kind {kind.name}", kind.modules, kind.extra):
        raise InvalidSettings({"kind": problem})
    return setting.check_settings(kind.settings, settings, credentials)


@dataclass(frozen=True, slots=True)
class KindEntry:
    """A kind as it is listed: also one whose library is not installed."""

    name: str
    label: str
    description: str
    settings: tuple[Setting, ...] = ()
    extra: str = ""
    missing: tuple[str, ...] = ()
    is_partitioned: bool = False
    can_seek: bool = False

    @property
    def is_installed(self) -> bool:
        """Tell whether sources of this kind can be read here."""
        return not self.missing


def list_kinds() -> list[KindEntry]:
    """Return all kinds, ``http`` first."""
    sent = "A message that a sender posts to the URL of the source becomes a receipt, once, before the response."
    return [KindEntry(HTTP, "HTTP", sent), *map(_entry, FILES)]


def _entry(name: str) -> KindEntry:
    try:
        kind = find_kind(name)
    except ModuleNotFoundError as error:
        return KindEntry(name, name, "Its library is not installed.", missing=(str(error.name),))
    return KindEntry(
        name,
        kind.label,
        kind.description,
        kind.settings,
        kind.extra,
        tuple(missing_modules(kind.modules)),
        kind.is_partitioned,
        kind.can_seek,
    )
