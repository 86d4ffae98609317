"""Serialize settings of kinds, of sources and of endpoints, as they are described to clients."""

from rest_framework import serializers

from webhooks.kit.kinds.setting import SETTING_TYPES
from webhooks.kit.rest.fields.json_values import JsonField
from webhooks.kit.rest.fields.scalars import ChoiceField
from webhooks.kit.rest.serializers import StrictSerializer


class SettingSerializer(StrictSerializer):
    """A setting: a member of `settings` or of `credentials`."""

    name = serializers.CharField(help_text="Name of the member.")
    label = serializers.CharField(help_text="Label of the field in a form.")  # type: ignore[assignment]
    help = serializers.CharField(source="help_text", help_text="What it is for.")
    type = ChoiceField(
        SETTING_TYPES,
        help_text="JSON type: `text` and `texts` are a string and an array of strings, `number` an integer.",
    )
    required = serializers.BooleanField(  # type: ignore[assignment]  # an attribute of REST framework's fields
        source="is_required", help_text="Whether it has to be given."
    )
    credential = serializers.BooleanField(
        source="is_credential", help_text="Whether it is a member of `credentials`: encrypted, and never shown."
    )
    default = JsonField(help_text="Value if it is left out; null: none.")
    choices = serializers.ListField(child=serializers.CharField(), help_text="Allowed values; empty: any.")
    minimum = serializers.IntegerField(allow_null=True, help_text="Least value of a number; null: any.")
    maximum = serializers.IntegerField(allow_null=True, help_text="Greatest value of a number; null: any.")
    example = serializers.CharField(help_text="An example; empty: none.")
