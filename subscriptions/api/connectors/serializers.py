"""Serialize connectors, and the endpoints that are created from them."""

from rest_framework import serializers

from subscriptions.api.destinations.endpoint_types import EndpointSettingSerializer
from subscriptions.api.fields.own import Metadata, Uid
from subscriptions.api.fields.routing import TransformerField
from subscriptions.api.serializers.endpoints import MAX_SUBSCRIPTIONS
from subscriptions.api.serializers.subscriptions import EndpointSubscriptionSerializer
from subscriptions.connectors.connector import CATEGORY_CHOICES
from subscriptions.models import Endpoint
from webhooks.kit.rest.fields.json_values import JsonField, ListField, ObjectField
from webhooks.kit.rest.fields.scalars import ChoiceField, TextField
from webhooks.kit.rest.labels import Labels
from webhooks.kit.rest.serializers import StrictSerializer

MAX_DESCRIPTION = 1024  # characters
SETTINGS_HELP = "Settings of the connector, as it lists them."
TRANSFORMER_HELP = (
    "Transformer that makes the body in place of the message, in JSONata or as a template: "
    '`{"jsonata": "{\'text\': data.title}"}`. Its content type is that of the message unless it has another; null: the '
    "body of the message."
)


class ConnectorSettingSerializer(EndpointSettingSerializer):
    """A setting of a connector: a member of `settings` or of `credentials`."""

    takes_paths = serializers.BooleanField(help_text="Whether `<$.path>` in it places a value of the event.")


class ConnectorMessageSerializer(StrictSerializer):
    """A message of a connector: one way in which an event is written."""

    name = serializers.CharField(help_text="Name, for `message` of a subscription.")
    label = serializers.CharField(help_text="Name for people.")  # type: ignore[assignment]
    description = serializers.CharField(help_text="What it does in the other system.")
    content_type = serializers.CharField(help_text="Content type of the body.")
    expected_body = JsonField(
        source="expected", help_text="Body that the connector's `sample` becomes, with the settings of `example`."
    )


class ConnectorSummarySerializer(StrictSerializer):
    """A connector, in short."""

    name = serializers.CharField(help_text="Name, for the path.")
    label = serializers.CharField(help_text="Name of the other system.")  # type: ignore[assignment]
    category = ChoiceField(CATEGORY_CHOICES, help_text="Kind of the other system.")
    description = serializers.CharField(help_text="What an event becomes there.")
    logo = serializers.CharField(help_text="Small picture, as SVG. The initials of the other system, not its logo.")
    documentation = serializers.CharField(help_text="URL of the other system's documentation of the API.")


class ConnectorSerializer(ConnectorSummarySerializer):
    """A connector: ready settings that turn an event into what a known API accepts."""

    notes = serializers.CharField(help_text="Limits of the API; empty: none to know of.")
    settings = ConnectorSettingSerializer(
        source="fields", many=True, help_text="Its settings and credentials, as fields of a form."
    )
    messages = ConnectorMessageSerializer(many=True, help_text="The ways in which an event can be written.")
    failure_pattern = JsonField(
        help_text="Pattern of 2xx responses that say that the delivery failed; null: every 2xx is a success."
    )
    sample = JsonField(help_text="An event, for previews.")
    example = JsonField(help_text="`settings` and `credentials` to begin with; they belong to no account.")


class ConnectorListSerializer(StrictSerializer):
    """All connectors."""

    data = ConnectorSummarySerializer(  # type: ignore[assignment]
        many=True, help_text="Connectors, by category and name."
    )


class ConnectorSubscriptionSerializer(EndpointSubscriptionSerializer):
    """A subscription of an endpoint from a connector: which events become which message."""

    message = TextField(
        required=False,
        max_length=64,
        help_text="Message of the connector that the events become: `trigger`. Default: its first one.",
    )
    transformer = TransformerField(required=False, allow_null=True, help_text=TRANSFORMER_HELP)

    class Meta(EndpointSubscriptionSerializer.Meta):
        fields = ["message", "event_types", "pattern", "transformer", "description", "active"]


class ConnectorEndpointSerializer(StrictSerializer):
    """An endpoint to create from a connector. Its other fields can be changed afterwards."""

    settings = ObjectField(default=dict, help_text=SETTINGS_HELP)
    credentials = ObjectField(
        default=dict, write_only=True, help_text="Credentials of the connector: stored encrypted, and never shown."
    )
    subscriptions = ListField(
        child=ConnectorSubscriptionSerializer(),
        default=list,
        max_length=MAX_SUBSCRIPTIONS,
        help_text='The events to send: `[{"event_types": ["order.*"]}]`. At most 100. Default: none; without a '
        "subscription nothing is sent.",
    )
    uid = Uid(Endpoint)
    description = TextField(default="", allow_blank=True, max_length=MAX_DESCRIPTION, help_text="Free text for people.")
    labels = Labels(default=dict)
    metadata = Metadata(default=dict)
