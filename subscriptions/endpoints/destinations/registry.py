"""List the kinds of destinations besides ``http``, and check settings against what a kind says of them.

A file is imported at its first use, because the library of its system may be absent, and costs memory. The files are
in an app above this one, so they are named, not imported.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.utils.module_loading import import_string

from subscriptions.endpoints.destinations.kind import Connection, InvalidSettings, Kind, Setting
from webhooks.kit.kinds import setting
from webhooks.kit.kinds.setting import missing_modules, not_installed

HTTP = "http"  # endpoints that are called by their URL: no file here (subscriptions.endpoints.http)
HTTP_DESCRIPTION = (
    "An event becomes a signed POST request to a URL. At least once: a response with status 2xx acknowledges it."
)
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


@dataclass(frozen=True, slots=True)
class KindEntry:
    """A kind as it is listed: also one whose library is not installed."""

    name: str
    label: str
    description: str
    settings: tuple[Setting, ...] = ()
    extra: str = ""
    missing: tuple[str, ...] = ()

    @property
    def is_installed(self) -> bool:
        """Return whether endpoints of this kind can be sent to here."""
        return not self.missing


def kind_names() -> list[str]:
    """Return the names of all kinds, ``http`` first."""
    return [HTTP, *FILES]


@cache
def find_kind(name: str) -> Kind:
    """Return a kind by name. Raises KeyError, and ModuleNotFoundError if its file imports what is not installed."""
    kind: Kind = import_string(FILES[name])()
    return kind


def list_kinds() -> list[KindEntry]:
    """Return all kinds, ``http`` first."""
    return [KindEntry(HTTP, "HTTP", HTTP_DESCRIPTION), *map(_entry, FILES)]


def _entry(name: str) -> KindEntry:
    try:
        kind = find_kind(name)
    except ModuleNotFoundError as error:
        return KindEntry(name, name, "Its library is not installed.", missing=(str(error.name),))
    return KindEntry(
        name, kind.label, kind.description, kind.settings, kind.extra, tuple(missing_modules(kind.modules))
    )


def installed_kind(name: str) -> Kind:
    """Return a kind by name. Raises InvalidSettings for ``type`` if what it needs is not installed."""
    text = f"An endpoint of the type {name}"
    try:
        kind = find_kind(name)
    except ModuleNotFoundError as error:
        raise InvalidSettings({"type": f"{text} needs {error.name}, which is not installed here."}) from error
    if problem := not_installed(text, kind.modules, kind.extra):
        raise InvalidSettings({"type": problem})
    return kind


def checked_connection(
    name: str, connection: Connection, settings: Mapping[str, Any], credentials: Mapping[str, Any]
) -> tuple[Kind, Connection]:
    """Return the kind and the connection with these settings and credentials, with defaults, as they are stored.

    Raises InvalidSettings with all faults.
    """
    kind = installed_kind(name)
    checked, confidential = setting.check_settings(kind.settings, settings, credentials)
    connection = Connection(connection.endpoint, connection.share, checked, confidential)
    kind.check(connection)
    return kind, connection
