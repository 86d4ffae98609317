"""Serialize endpoints; the signing secret is only in the response that creates the endpoint."""

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from subscriptions.api.fields.destination import (
    OF_OTHER_TYPES,
    BatchField,
    CredentialsField,
    DestinationSettingsField,
    EndpointType,
    SkipTest,
    check_type,
)
from subscriptions.api.fields.masks import MasksField
from subscriptions.api.fields.named_endpoint import NamedEndpoint
from subscriptions.api.fields.own import Metadata, Uid
from subscriptions.api.fields.retry_plan import RetryPlan
from subscriptions.api.serializers.endpoint_secrets import SIGNING
from subscriptions.api.serializers.http_settings import HttpSettingsSerializer
from subscriptions.api.serializers.subscriptions import EndpointSubscriptionSerializer
from subscriptions.endpoints.destinations.registry import HTTP
from subscriptions.models import Endpoint, Tenant
from webhooks.kit.rest.fields.json_values import ListField
from webhooks.kit.rest.fields.references import IdField
from webhooks.kit.rest.fields.scalars import ChoiceField, InstantField, TextField
from webhooks.kit.rest.labels import Labels
from webhooks.kit.rest.serializers import StrictModelSerializer

NULL = "This field may not be null."


class EndpointSerializer(StrictModelSerializer):
    """A destination of webhooks: a URL or another system, and how they are sent to it."""

    id = IdField(Endpoint.prefix, read_only=True)
    uid = Uid()
    metadata = Metadata(required=False)
    labels = Labels(required=False)
    tenant = IdField(Tenant.prefix, source="tenant_id", read_only=True, help_text="Id of the tenant it belongs to.")
    type = EndpointType()
    address = serializers.CharField(
        read_only=True, help_text="Where deliveries go, without credentials: the URL, or the queue, stream or table."
    )
    settings = DestinationSettingsField()
    credentials = CredentialsField()
    skip_test = SkipTest()
    batch = BatchField(
        required=False,
        allow_null=True,
        help_text="Lets events share a request: at most `max_events` (default 100) and `max_bytes` (262144), sent "
        "`window_seconds` (1) after the first of them. With `http` the body is an array of CloudEvents. Null: no.",
    )
    retry_plan = RetryPlan(
        required=False,
        allow_null=True,
        help_text="Seconds to wait after each failure, as an array, or an object that describes them; returned as "
        "the array. `[]`: never again, one attempt only. Null: the default, 10 attempts over 75 h 35 min.",
    )
    on_success = NamedEndpoint(
        help_text="Endpoint that gets an invocation record, `waypost.delivery.succeeded`, of each delivery that "
        "succeeded: id or `uid`; returned as the id. Null: none."
    )
    on_failure = NamedEndpoint(
        help_text="Endpoint that gets an invocation record, `waypost.delivery.failed`, of each delivery that ended "
        "without success: id or `uid`; returned as the id. Null: none."
    )
    masks = MasksField(
        required=False,
        help_text="What is removed, masked, hashed or encrypted of each event for this endpoint, beside the masks of "
        "event types. Applies to events published from now on. Default: `[]`.",
    )
    disabled_note = TextField(
        required=False,
        allow_blank=True,
        max_length=1024,
        help_text="Why an operator has disabled it, in their words; empty in any other state. Only platform keys may "
        "set it, together with the state `disabled`. Default: empty.",
    )
    expires_at = InstantField(
        required=False,
        allow_null=True,
        help_text="When it is deleted, and what still waits for it is cancelled, within a minute; null: never. For "
        "endpoints of a test, a page or a command line.",
    )
    kept_by_put = frozenset({"state", "disabled_note", "kind", "credentials", "skip_test"})
    hints = dict.fromkeys(("secret", "signing"), "POST to the endpoint's secrets/ to rotate the secret.")

    class Meta:
        model = Endpoint
        fields = [
            "id",
            "uid",
            "tenant",
            "type",
            "address",
            "settings",
            "credentials",
            "skip_test",
            "description",
            "state",
            "disabled_reason",
            "disabled_note",
            "state_changed_at",
            "allowed_rate",
            "timeout_ms",
            "max_in_flight",
            "rate_limit",
            "rate_period",
            "rate_burst",
            "ordering",
            "latest_only",
            "retry_plan",
            "batch",
            "on_success",
            "on_failure",
            "masks",
            "unmasked",
            "expires_at",
            "metadata",
            "labels",
            "created_at",
            "updated_at",
        ]
        extra_kwargs = {
            "disabled_reason": {"help_text": "Why the endpoint is disabled; null in any other state."},
            "ordering": {
                "help_text": "Which deliveries are sent in order, so that a failing one blocks those after it; null: "
                "none. Applies to events published from now on."
            },
        }
        read_only_fields = [
            "disabled_reason",
            "state_changed_at",
            "allowed_rate",
            "created_at",
            "updated_at",
        ]

    @property
    def kind(self) -> str:
        """Return the type of the stored endpoint; that of a new one is in the data."""
        return str(getattr(self.instance, "kind", HTTP))

    def get_fields(self) -> dict[str, Any]:
        """Return the general fields, with those of the HTTP settings among them."""
        self.http = HttpSettingsSerializer(getattr(self.instance, "http", None))
        http = self.http.get_fields()
        self.never_null = {name for name, field in http.items() if not field.allow_null and not field.read_only}
        for name, field in http.items():
            field.source = f"http.{name}"
            field.allow_null = True  # as endpoints of other types show it
            if check := getattr(self.http, f"validate_{name}", None):
                field.validators = [*field.validators, check]
        general = super().get_fields()
        if self.kind != HTTP:
            http["url"].required = False
        first = {name: general.pop(name) for name in ("id", "uid", "tenant", "type", "address")}
        return first | http | general

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return the general fields and the HTTP settings in one flat mapping, as ``endpoints`` takes them."""
        if isinstance(data, Mapping):  # the field depends on it before it is validated
            self.fields["url"].required = data.get("type", self.kind) == HTTP
        values: dict[str, Any] = super().to_internal_value(data)
        own, destination = values.pop("http", {}), values.pop("destination", {})
        is_replaced = self.instance is not None and not self.partial
        kind = check_type(values, getattr(self.instance, "kind", None))
        if kind != HTTP:
            shown = {name: value for name, value in own.items() if value is not None}
            return {**values, **destination, **shown, "kind": kind}
        if nulls := sorted(name for name in own.keys() & self.never_null if own[name] is None):
            raise ValidationError({name: [ErrorDetail(NULL, "null")] for name in nulls})
        given = {
            name: value for name, value in {**values, **destination}.items() if value or name not in OF_OTHER_TYPES
        }
        return {**given, **(self.http.with_defaults(own) if is_replaced else own)}


MAX_SUBSCRIPTIONS = 100  # given with one endpoint


class Subscriptions(ListField):
    """Accept the subscriptions of an endpoint together with it."""

    def __init__(self) -> None:
        super().__init__(
            child=EndpointSubscriptionSerializer(),
            required=False,
            write_only=True,
            max_length=MAX_SUBSCRIPTIONS,
            help_text='Subscriptions of this endpoint: `[{"event_types": ["order.*"]}]`. They take the place of those '
            "that name it now; equal ones stay. Left out: no change. At most 100.",
        )


class EndpointReplaceSerializer(EndpointSerializer):
    """An endpoint as a PUT replaces it, with its subscriptions or without."""

    subscriptions = Subscriptions()
    kept_by_put = EndpointSerializer.kept_by_put | {"subscriptions"}

    class Meta(EndpointSerializer.Meta):
        fields = [*EndpointSerializer.Meta.fields, "subscriptions"]


class EndpointCreateSerializer(EndpointReplaceSerializer):
    """A new endpoint: a URL that receives webhooks, how they are sent and signed, and which events it receives."""

    secret = TextField(
        required=False,
        help_text="Secret that signs the deliveries: `whsec_` and the base64 of 24 to 64 random bytes; for `v1a` a "
        "`whsk_` private key. Default: generated.",
    )
    signing = ChoiceField(
        SIGNING, required=False, write_only=True, help_text="Signature scheme of Standard Webhooks. Default: `v1`."
    )
    public_key = serializers.CharField(read_only=True, help_text="Public key that verifies the deliveries.")
    hints: ClassVar[dict[str, str]] = {}

    class Meta(EndpointReplaceSerializer.Meta):
        fields = [*EndpointReplaceSerializer.Meta.fields, "secret", "signing", "public_key"]


class EndpointWithSecretSerializer(EndpointCreateSerializer):
    """A new endpoint, with what its deliveries are verified with: `secret` (`v1`) or `public_key` (`v1a`)."""

    secret = TextField(required=False, help_text="Shared secret (`v1`). Store it now: it is not shown again.")

    public_key = serializers.CharField(required=False, help_text="Public key (`v1a`), with the prefix `whpk_`.")
    may_be_absent = frozenset({"secret", "public_key"})
