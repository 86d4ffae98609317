"""Declare the REST fields of an endpoint that depend on its type."""

from collections.abc import Mapping
from typing import Any

from rest_framework.exceptions import ValidationError

from subscriptions.api.problems import check_field
from subscriptions.endpoints.batch import check_batch
from subscriptions.endpoints.destinations.registry import HTTP, kind_names
from webhooks.kit.rest.fields.json_values import JsonField, ObjectField
from webhooks.kit.rest.fields.scalars import BooleanField, TextField
from webhooks.wire.errors import did_you_mean

OF_OTHER_TYPES = ("settings", "credentials", "skip_test")


class EndpointType(TextField):
    """Accept the name of a type that is known here."""

    def __init__(self) -> None:
        super().__init__(
            source="kind",
            required=False,
            max_length=32,
            help_text="Where deliveries go: `http`, a URL, or another system, such as `sqs`. `GET /endpoint-types/` "
            "lists the types with their settings. Cannot be changed. Default: `http`.",
        )

    def to_internal_value(self, data: Any) -> str:
        name = super().to_internal_value(data)
        if name in kind_names():
            return name
        meant = did_you_mean(name, kind_names())
        known = f"must be one of: {', '.join(kind_names())}."
        raise ValidationError(f"Unknown type; {f'{meant} It ' if meant else ''}{known}", "invalid_choice")


class DestinationSettingsField(ObjectField):
    """Show the settings of an endpoint that is not called by its URL; empty for others."""

    def __init__(self) -> None:
        super().__init__(
            required=False,
            source="destination.settings",
            help_text="Settings of the type, as `GET /endpoint-types/` lists them; empty for `http`. Other settings "
            "are tried before they are stored.",
        )

    def get_attribute(self, instance: Any) -> Any:
        destination = getattr(instance, "destination", None)
        return {} if destination is None else destination.settings


class CredentialsField(ObjectField):
    """Accept credentials, which are never shown."""

    def __init__(self) -> None:
        super().__init__(
            required=False,
            write_only=True,
            help_text="Credentials of the type, such as `password`: stored encrypted, and never shown. Those that are "
            "left out stay; null removes one.",
        )


class SkipTest(BooleanField):
    """Accept whether new settings are stored without being tried."""

    def __init__(self) -> None:
        super().__init__(
            required=False,
            write_only=True,
            help_text="Whether to store settings without trying them. Default: false, so that settings with which the "
            "destination cannot be written to are refused.",
        )


class BatchField(JsonField):
    """Accept how events share a request."""

    def to_internal_value(self, data: Any) -> Any:
        check_field(_check, data)
        return super().to_internal_value(data)


def _check(batch: Any) -> None:
    check_batch(batch)


def check_type(values: Mapping[str, Any], stored: str | None) -> str:
    """Return the type of an endpoint that is written. Raises ValidationError if it would change."""
    kind = values.get("kind", stored or HTTP)
    if stored is not None and kind != stored:
        raise ValidationError({"type": ["Cannot be changed; create another endpoint."]})
    return str(kind)
