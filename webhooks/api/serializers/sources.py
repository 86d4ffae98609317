"""Serialize sources; ``source_checks`` has what several fields have to fulfil together."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.reverse import reverse

from webhooks.api.fields.handlers import HandlersField
from webhooks.api.fields.message_parts import MediaTypesField, ValuePathField
from webhooks.api.fields.responses import ContentTypeField, ResponsesField
from webhooks.api.fields.retry_plan import RetryPlanField
from webhooks.api.fields.senders import HandshakeField, NetworksField, OptionsField, OriginsField
from webhooks.api.serializers.source_checks import (
    check_enrichments,
    check_response,
    configuration_errors,
    find_results,
    with_scheme,
)
from webhooks.api.serializers.source_reading import SourceReadingSerializer
from webhooks.api.serializers.source_settings import (
    check_fields_of_http,
    check_fields_of_kind,
    check_kind,
    checked_credentials,
    checked_settings,
)
from webhooks.kit.rest.fields.json_values import ObjectField
from webhooks.kit.rest.fields.references import IdField
from webhooks.kit.rest.fields.scalars import BooleanField, ChoiceField, MultilineTextField, OptionalUrlField, TextField
from webhooks.kit.rest.labels import Labels
from webhooks.kit.rest.serializers import StrictModelSerializer
from webhooks.models import Source
from webhooks.readers.reading_state import readings_of
from webhooks.senders.presets import sender_names, with_preset
from webhooks.sources.configuration import scheme_names
from webhooks.sources.kinds.kind import Sample
from webhooks.sources.kinds.registry import HTTP
from webhooks.sources.models import uid_format
from webhooks.sources.secret_rotation import MAX_SECRET_LENGTH
from webhooks.sources.sources import change_source, create_source


def help_of(column: str) -> str:
    """Return the description of a column of ``Source``, for a field that the serializer declares itself."""
    field: Any = Source._meta.get_field(column)
    return str(field.help_text)


class SourceSerializer(StrictModelSerializer):
    """An address that receives the webhooks of one sender, and how they are verified and handled."""

    id = IdField(Source.prefix, read_only=True)
    tenant = IdField(
        "tnt",
        source="tenant_id",
        read_only=True,
        allow_null=True,
        help_text="Id of the tenant it belongs to; null: the operator's.",
    )
    uid = TextField(
        required=False,
        allow_null=True,
        help_text="Your own id, unique among the sources of its owner, and accepted wherever the id is, except in the "
        "URL. Up to 256 letters, digits, `.`, `_` and `-`; it must not begin with `src_`.",
        validators=[uid_format],
    )
    url = serializers.SerializerMethodField(
        help_text="URL to give to the sender, which posts its messages there. It stays when `uid` changes. Null: a "
        "source of another kind than `http`, which is read."
    )
    kind = TextField(
        required=False,
        max_length=32,
        help_text="Where messages come from: `http` (senders post them), or the other system that is read; "
        "`GET /source-kinds/` lists the kinds with their settings. Cannot be changed. Default: `http`.",
        validators=[check_kind],
    )
    settings = ObjectField(
        required=False,
        help_text="Settings of the kind, as `GET /source-kinds/` lists them: what is read, and from where. A change "
        "replaces all of them. They are tried when they change.",
    )
    credentials = ObjectField(
        write_only=True,
        required=False,
        help_text="Credentials of the kind, such as `password`, and those that headers of enrichments name: stored "
        "encrypted, and never shown. A PATCH keeps those that it leaves out; null removes one.",
    )
    skip_test = BooleanField(
        write_only=True,
        required=False,
        help_text="Store settings without trying them, for example while the other system is away. Default: `false`.",
    )
    reading = serializers.SerializerMethodField(help_text="How reading goes; null: a source of the kind `http`.")
    secret = MultilineTextField(
        write_only=True,
        required=False,
        max_length=MAX_SECRET_LENGTH,
        help_text="Secret of the signature scheme, as the sender shows it; white space around it is removed. Default: "
        "generated, if the scheme is "
        "`standard`. Only when the source is created; later it is rotated.",
    )
    sender = TextField(
        required=False,
        allow_blank=True,
        max_length=64,
        help_text="Name of a known sender (`GET /senders/`): fields that are not given have the values of its preset. "
        "Only when the source is created.",
    )
    options = OptionsField(required=False, help_text=help_of("options"))
    handshake = HandshakeField(required=False, help_text=help_of("handshake"))
    responses = ResponsesField(required=False, help_text=help_of("responses"))
    verify_token = TextField(
        write_only=True,
        required=False,
        allow_null=True,
        max_length=256,
        help_text="Token that the sender's verification request (`hub.mode`, `hub.challenge`) must have: Meta, WebSub. "
        "Null: such requests are rejected. Never shown.",
    )
    allowed_origins = OriginsField(required=False, help_text=help_of("allowed_origins"))
    allowed_networks = NetworksField(required=False, help_text=help_of("allowed_networks"))
    public_url = OptionalUrlField(
        help_text="The URL as the sender knows it, for schemes that sign the URL; null: the URL of the request."
    )
    message_id_path = ValuePathField(help_text=help_of("message_id_path"))
    event_type_path = ValuePathField(help_text=help_of("event_type_path"))
    order_key_path = ValuePathField(help_text=help_of("order_key_path"))
    sequence_path = ValuePathField(help_text=help_of("sequence_path"))
    content_types = MediaTypesField(required=False, help_text=help_of("content_types"))
    response_content_type = ContentTypeField(
        required=False, allow_blank=True, help_text=help_of("response_content_type")
    )
    retry_plan = RetryPlanField(
        required=False,
        allow_null=True,
        help_text="Seconds to wait after each failure. `[]`: never again, the handlers run once. Null: the default, 9 "
        "attempts in 41 h.",
    )
    handlers = HandlersField(required=False, help_text=help_of("handlers"))
    labels = Labels(required=False)
    state = ChoiceField(
        Source.State.choices,
        required=False,
        help_text="While it is `paused`, senders get 503 with Retry-After. Default: `active`.",
    )
    kept_by_put = frozenset({"sender", "secret", "verify_token", "state", "kind", "credentials", "skip_test"})
    sample: Sample | None = None
    """Outcome of a test of the settings, if they were tried."""

    class Meta:
        model = Source
        fields = [
            *("id", "tenant", "uid", "name", "kind", "settings", "credentials", "skip_test", "reading"),
            *("url", "sender", "scheme", "secret", "options", "handshake"),
            "timestamp_tolerance_seconds",
            *("public_url", "message_id_path", "dedupe", "dedupe_window_seconds", "event_type_path", "envelope"),
            "order_key_path",
            *("allowed_networks", "max_bytes", "rate_per_minute"),
            *("verify_token", "allowed_origins", "content_types", "response_status", "response_body"),
            *("response_content_type", "response_when", "response_timeout_seconds", "responses", "handlers"),
            *("handler_timeout_seconds", "retry_plan", "sequence_path", "skip_out_of_order", "labels", "state"),
            "created_at",
            "updated_at",
        ]
        read_only_fields = ["created_at", "updated_at"]
        extra_kwargs = {
            "scheme": {
                "required": False,
                "help_text": f"{help_of('scheme')}. Required for sources of the kind `http`, unless `sender` gives it; "
                "the default of the others is `none`.",
            }
        }

    def to_internal_value(self, data: Any) -> Any:
        """Add the values of the preset to a new source, and to one that is replaced."""
        if isinstance(data, dict) and self._kind(data) != HTTP:
            return super().to_internal_value(data if self.partial else {"scheme": "none", **data})
        self.fields["scheme"].required = True
        sender = data.get("sender", getattr(self.instance, "sender", None)) if isinstance(data, dict) else None
        if not self.partial and isinstance(sender, str) and sender in sender_names():
            data = with_preset({**data, "sender": sender})
        return super().to_internal_value(data)

    def validate_sender(self, name: str) -> str:
        """Refuse a name that no preset has."""
        if name and name not in sender_names():
            raise serializers.ValidationError("Unknown sender; GET /senders/ lists the known ones.", "invalid_choice")
        return name

    def validate_scheme(self, name: str) -> str:
        """Refuse a name that no scheme has."""
        if name not in scheme_names():
            raise serializers.ValidationError(f"Must be one of: {', '.join(scheme_names())}.", "invalid_choice")
        return name

    def _kind(self, data: Any) -> Any:
        return data.get("kind", getattr(self.instance, "kind", HTTP))

    @extend_schema_field({"type": ["string", "null"], "format": "uri"})
    def get_url(self, source: Source) -> str | None:
        if source.kind != HTTP:
            return None
        return reverse("inbound", args=[source.public_id], request=self.context.get("request"))

    @extend_schema_field(SourceReadingSerializer(allow_null=True))
    def get_reading(self, source: Source) -> Any:
        """Return how reading goes; the sources of a list are looked up together."""
        rows: Any = getattr(self.parent, "instance", None)
        if rows is None:
            found = readings_of([source])
        else:
            found = self.__dict__.setdefault("_readings", None) or readings_of(rows)
            self._readings = found
        return SourceReadingSerializer(found[source.id]).data if source.id in found else None

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Check that all fields fit together, new and stored ones; try new settings of another system."""
        kind = self._kind(attrs)
        if self.instance is not None and kind != self.instance.kind:
            raise serializers.ValidationError({"kind": "Cannot be changed; create another source."})
        if kind == HTTP:
            check_fields_of_http(attrs)
        else:
            check_fields_of_kind(attrs, kind)
        attrs = with_scheme(attrs, self.instance, self._tenant_id())
        check_response(attrs, self.instance)
        check_enrichments(attrs, self._tenant_id())
        find_results(attrs, self._tenant_id())
        if kind == HTTP:
            for name in ("settings", "skip_test"):
                attrs.pop(name, None)
            checked_credentials(attrs, self.instance, partial=self.partial)
        else:
            self.sample = checked_settings(
                attrs,
                self.instance,
                tenant_id=self._tenant_id(),
                partial=self.partial,
                always_test=self.context.get("always_test", False),
            )
        return attrs

    def _tenant_id(self) -> Any:
        return self.instance.tenant_id if self.instance else self.context.get("tenant_id")

    def create(self, validated_data: dict[str, Any]) -> Source:
        """Create a source for callers that save the serializer: the admin and the command."""
        with configuration_errors():
            return create_source(**validated_data)

    def update(self, instance: Source, validated_data: dict[str, Any]) -> Source:
        """Change a source for callers that save the serializer: the admin."""
        with configuration_errors():
            return change_source(instance, validated_data)


class SourceWithSecretSerializer(SourceSerializer):
    """A new source with its secret, which is not shown again."""

    secret = MultilineTextField(
        required=False,
        help_text="Secret of the signature scheme, in this response only; absent if the scheme has none.",
    )
    may_be_absent = frozenset({"secret"})
