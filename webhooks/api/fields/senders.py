"""Define the fields about the sender of a source: where it sends from, and how it proves and introduces itself."""

from typing import Any

from drf_spectacular.utils import extend_schema_field

from webhooks.kit.rest.fields.json_values import ListField, StorableJsonField
from webhooks.kit.rest.fields.scalars import TextField
from webhooks.senders.handshake import InvalidHandshake, read_rules
from webhooks.wire.addresses.networks import compile_networks
from webhooks.wire.cloudevents.handshake import is_origin

MAX_ORIGINS = 100  # per source
MAX_NETWORKS = 200  # per source


class OriginsField(ListField):
    """DNS names of senders that may send after an OPTIONS request, or ``*``."""

    default_error_messages = {"origin": "{name!r} must be a DNS name or *."}

    def __init__(self, **options: Any) -> None:
        super().__init__(child=TextField(max_length=253), max_length=MAX_ORIGINS, **options)

    def to_internal_value(self, data: Any) -> list[str]:
        origins: list[str] = super().to_internal_value(data)
        for name in origins:
            if not is_origin(name):
                self.fail("origin", name=name)
        return origins


class NetworksField(ListField):
    """Networks (CIDR) or addresses that messages may come from."""

    default_error_messages = {"network": "{problem}"}

    def __init__(self, **options: Any) -> None:
        super().__init__(child=TextField(max_length=64), max_length=MAX_NETWORKS, **options)

    def to_internal_value(self, data: Any) -> list[str]:
        networks: list[str] = super().to_internal_value(data)
        try:
            compile_networks(tuple(networks))
        except ValueError as error:
            self.fail("network", problem=f"Must be networks such as 192.0.2.0/24 or addresses: {error}")
        return networks


@extend_schema_field({"type": "object", "additionalProperties": {"type": "string"}})
class OptionsField(StorableJsonField):
    """Options of a scheme: an object of strings."""

    default_error_messages = {"object": "Must be an object of strings."}

    def to_internal_value(self, data: Any) -> dict[str, str]:
        value = super().to_internal_value(data)
        if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
            self.fail("object")
        return value


@extend_schema_field({"type": "array", "items": {"type": "object", "additionalProperties": True}})
class HandshakeField(StorableJsonField):
    """The rules of a handshake."""

    default_error_messages = {"rules": "The handshake {problem}."}

    def to_internal_value(self, data: Any) -> list[dict[str, Any]]:
        rules: list[dict[str, Any]] = super().to_internal_value(data)
        try:
            read_rules(rules)
        except InvalidHandshake as error:
            self.fail("rules", problem=error)
        return rules
