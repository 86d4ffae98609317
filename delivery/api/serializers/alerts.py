"""Serialize alert rules, the conditions that they can watch, previews, and alerts."""

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from delivery.alerts.channel_rows import MAX_CHANNELS, channels_of
from delivery.alerts.channels import is_usable
from delivery.alerts.history import MAX_SNOOZE, firing_count
from delivery.alerts.trial import Preview
from delivery.models import Alert, AlertChannel, AlertRule
from subscriptions.api.fields.own import Uid
from subscriptions.api.tenancy import endpoints_of
from subscriptions.models import Endpoint, Tenant
from webhooks.kit.conditions.condition import Condition
from webhooks.kit.conditions.registry import CONDITIONS
from webhooks.kit.kinds.setting import SETTING_TYPES
from webhooks.kit.rest.fields.json_values import ListField, ObjectField
from webhooks.kit.rest.fields.references import IdField, ReferenceField
from webhooks.kit.rest.fields.scalars import ChoiceField, IntegerField, TextField
from webhooks.kit.rest.serializers import StrictModelSerializer, StrictSerializer

CONDITION_NAMES = [(it.name, it.label) for it in CONDITIONS.values()]
MEMBERS = {"endpoint": "endpoint", "email": "email", "apprise": "url"}  # what each type of channel has to have


def _endpoints_of(channel: Any) -> QuerySet[Endpoint]:
    """Return the endpoints that the request may name."""
    return endpoints_of(channel.context["request"])


class AlertChannelSerializer(StrictSerializer):
    """A way by which the messages of a rule are sent."""

    type = ChoiceField(
        AlertChannel.Type.choices, help_text="Kind of channel. `apprise` is for the operator's rules only."
    )
    endpoint = ReferenceField(
        _endpoints_of,
        required=False,
        allow_null=True,
        help_text="Endpoint that gets the events of the rule: id or `uid`. Unless it subscribes to `waypost.alert.*` "
        "already, a subscription is created for it. For the type `endpoint`.",
    )
    email = TextField(
        required=False,
        allow_null=True,
        max_length=254,
        help_text="E-mail address. That of a tenant gets a link by which its owner confirms it, and no alerts before. "
        "For the type `email`.",
    )
    url = TextField(
        required=False,
        allow_null=True,
        max_length=2048,
        help_text="URL of Apprise, such as `slack://...`. Stored encrypted, and shown as `slack://***`; sent back like "
        "that, it stays as it is. For the type `apprise`.",
    )
    confirmed = serializers.SerializerMethodField(
        help_text="Whether messages are sent: false while the owner of an address has not confirmed it."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Require the member that the type needs, and no other."""
        if "type" not in attrs:  # in a PATCH of the rule; the channels are set as a whole
            raise ValidationError({"type": ["This field is required."]})
        needed = MEMBERS[attrs["type"]]
        if not attrs.get(needed):
            raise ValidationError({needed: ["Is required for this type."]})
        if others := [name for name in MEMBERS.values() if name != needed and attrs.get(name)]:
            raise ValidationError({others[0]: ["Belongs to another type."]})
        return attrs

    def to_representation(self, instance: AlertChannel) -> dict[str, Any]:
        return {
            "type": instance.type,
            "endpoint": None if instance.endpoint is None else instance.endpoint.public_id,
            "email": instance.email or None,
            "url": instance.shown_url or None,
            "confirmed": self.get_confirmed(instance),
        }

    def get_confirmed(self, instance: AlertChannel) -> bool:
        return is_usable(instance)


class ChannelsField(ListField):
    """The channels of a rule, read from its rows."""

    def get_attribute(self, instance: AlertRule) -> Any:
        return channels_of(instance)


class AlertRuleSerializer(StrictModelSerializer):
    """A condition that is evaluated every few seconds, and the channels of its messages."""

    id = IdField(AlertRule.prefix, read_only=True)
    uid = Uid()
    tenant = IdField(
        Tenant.prefix,
        source="tenant_id",
        read_only=True,
        allow_null=True,
        help_text="Id of the tenant it belongs to; null: the operator's rule, about all tenants.",
    )
    condition = ChoiceField(CONDITION_NAMES, help_text="What is watched. *List alert conditions* describes each.")
    settings = ObjectField(
        required=False, help_text='Settings of the condition, such as `{"above": 10}`; the others get their defaults.'
    )
    channels = ChannelsField(
        child=AlertChannelSerializer(),
        required=False,
        max_length=MAX_CHANNELS,
        help_text="Where messages are sent, besides the subscriptions to `waypost.alert.*`. Set as a whole.",
    )
    firing = serializers.SerializerMethodField(help_text="Alerts of the rule that are firing now.")

    class Meta:
        model = AlertRule
        fields = [
            "id",
            "uid",
            "tenant",
            "name",
            "condition",
            "settings",
            "severity",
            "enabled",
            "for_minutes",
            "keep_minutes",
            "reminder_minutes",
            "channels",
            "is_built_in",
            "firing",
            "evaluated_at",
            "last_error",
            "created_at",
            "updated_at",
        ]
        read_only_fields = ["is_built_in", "evaluated_at", "last_error", "created_at", "updated_at"]

    def get_firing(self, row: AlertRule) -> int:
        return firing_count(row)

    def with_defaults(self, values: dict[str, Any]) -> dict[str, Any]:
        """Add the defaults of a PUT; without channels the rule has none."""
        return super().with_defaults({"channels": [], **values})


class AlertConditionSettingSerializer(serializers.Serializer[Any]):
    """A setting of a condition."""

    name = serializers.CharField(help_text="Name in `settings`.")
    label = serializers.CharField(help_text="Name for people.")  # type: ignore[assignment]
    help_text = serializers.CharField(help_text="What it means.")  # type: ignore[assignment]
    type = serializers.ChoiceField([(it, it) for it in SETTING_TYPES], help_text="Type of its value.")
    is_required = serializers.BooleanField(help_text="Whether it has to be given.")
    default = serializers.JSONField(help_text="Value where it is left out; null: none.")
    minimum = serializers.IntegerField(allow_null=True, help_text="Least number; null: any.")
    maximum = serializers.IntegerField(allow_null=True, help_text="Greatest number; null: any.")


class AlertConditionSerializer(serializers.Serializer[Condition]):
    """A condition that rules can watch."""

    name = serializers.ChoiceField(CONDITION_NAMES, help_text="Name in `condition`.")
    label = serializers.CharField(help_text="Name for people.")  # type: ignore[assignment]
    description = serializers.CharField(help_text="When it holds.")
    is_for_operators = serializers.BooleanField(help_text="Whether only the operator's rules can watch it.")
    has_past = serializers.SerializerMethodField(
        help_text="Whether a preview tells how often a rule would have fired yesterday."
    )
    settings = AlertConditionSettingSerializer(many=True, help_text="Its settings.")

    def get_has_past(self, condition: Condition) -> bool:
        return condition.past is not None


class AlertConditionListSerializer(serializers.Serializer[Any]):
    """All conditions that the key may use."""

    data = AlertConditionSerializer(many=True, help_text="The conditions.")  # type: ignore[assignment]


class AlertRulePreviewCreateSerializer(StrictSerializer):
    """A rule to try out, without creating it."""

    condition = ChoiceField(CONDITION_NAMES, help_text="What is watched.")
    settings = ObjectField(required=False, default=dict, help_text="Settings of the condition.")
    for_minutes = IntegerField(
        default=0, min_value=0, max_value=10_080, help_text="Minutes for which the condition has to hold."
    )


class AlertFindingSerializer(serializers.Serializer[Any]):
    """A subject for which the condition holds now."""

    subject_type = serializers.CharField(help_text="Kind of the subject, such as `endpoint`.")
    subject = serializers.CharField(help_text="Id or name of the subject.")
    name = serializers.CharField(help_text="The subject for people.")
    message = serializers.CharField(help_text="What is wrong.")
    since = serializers.DateTimeField(allow_null=True, help_text="Since when; null: not known.")
    value = serializers.FloatField(allow_null=True, help_text="The figure that is compared; null: there is none.")


class PastAlertSerializer(serializers.Serializer[Any]):
    """An alert that the rule would have raised."""

    subject = serializers.CharField(help_text="Id or name of the subject.")
    subject_name = serializers.CharField(help_text="The subject for people.")
    begins_at = serializers.DateTimeField(help_text="Begin of the first hour.")
    ends_at = serializers.DateTimeField(help_text="End of the last hour.")


class AlertRulePreviewSerializer(serializers.Serializer[Preview]):
    """Present the findings of a rule now, and how often it would have fired within a day."""

    total = serializers.IntegerField(help_text="Subjects for which the condition holds now, however long.")
    findings = AlertFindingSerializer(many=True, help_text="The first 20 of them.")
    since = serializers.DateTimeField(help_text="Begin of the last 24 full hours.")
    until = serializers.DateTimeField(help_text="Their end.")
    would_have_fired = serializers.SerializerMethodField(
        help_text="Alerts that the rule would have raised in these hours, by hourly figures; null: there are none for "
        "this condition."
    )
    past = PastAlertSerializer(many=True, allow_null=True, help_text="These alerts; null as well.")

    def get_would_have_fired(self, found: Preview) -> int | None:
        return None if found.past is None else len(found.past)


class AlertTestSerializer(serializers.Serializer[Any]):
    """The result of a test message."""

    sent = serializers.IntegerField(
        help_text="Messages that are being sent: an event, if a subscription names `waypost.alert.*`, and one for each "
        "address and URL. 0: the messages of this rule reach no one."
    )


class AlertSerializer(serializers.ModelSerializer[Alert]):
    """A subject for which the condition of a rule holds, or held."""

    id = IdField(Alert.prefix, read_only=True)
    rule = IdField(AlertRule.prefix, source="rule_id", read_only=True, help_text="Id of the rule.")
    rule_name = serializers.CharField(source="rule.name", read_only=True, help_text="Name of the rule.")
    condition = serializers.CharField(source="rule.condition", read_only=True, help_text="Condition of the rule.")
    severity = serializers.ChoiceField(
        AlertRule.Severity.choices, source="rule.severity", read_only=True, help_text="How urgent it is."
    )
    about_tenant = IdField(
        Tenant.prefix,
        source="about_tenant_id",
        read_only=True,
        allow_null=True,
        help_text="Id of the tenant that the subject belongs to; null: none.",
    )

    class Meta:
        model = Alert
        fields = [
            "id",
            "rule",
            "rule_name",
            "condition",
            "severity",
            "state",
            "subject_type",
            "subject",
            "subject_name",
            "about_tenant",
            "message",
            "value",
            "since",
            "last_true_at",
            "fired_at",
            "resolved_at",
            "acknowledged_at",
            "acknowledged_by",
            "snoozed_until",
            "snoozed_by",
        ]
        read_only_fields = fields


class AlertSnoozeSerializer(StrictSerializer):
    """For how long no reminders are sent."""

    minutes = IntegerField(min_value=1, max_value=MAX_SNOOZE, help_text="Minutes from now, up to a week.")
