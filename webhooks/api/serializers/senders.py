"""Serialize the known senders, whose presets a source can be created with."""

from typing import Any

from rest_framework import serializers

from webhooks.kit.rest.fields.json_values import ObjectField
from webhooks.kit.rest.serializers import StrictSerializer
from webhooks.senders import description
from webhooks.senders.presets import Sender


class SenderSerializer(StrictSerializer):
    """A known sender, and the settings that its sources are created with."""

    name = serializers.CharField(help_text="Value of `sender` when a source is created.")
    label = serializers.CharField(help_text="The sender's own name.")  # type: ignore[assignment]
    docs = serializers.CharField(help_text="Page of the sender's documentation about its webhooks.")
    logo = serializers.CharField(
        help_text="Name of the sender's logo in the Simple Icons collection, or of a similar one."
    )
    secret = serializers.CharField(help_text="What to give as `secret`; empty if there is none.")
    proof = serializers.SerializerMethodField(help_text="How its messages are verified, in words.")
    handshake = serializers.SerializerMethodField(help_text="How it checks an address, in words; none if it does not.")
    needs = serializers.ListField(
        child=serializers.CharField(), help_text="Fields that a source of this sender needs beside the secret."
    )
    note = serializers.CharField(help_text="What else to know; empty if there is nothing.")
    fields_ = ObjectField(help_text="Fields of a source, with the values that the preset gives them.")

    def get_proof(self, sender: Sender) -> str:
        return description.proof(sender)

    def get_handshake(self, sender: Sender) -> str:
        return description.handshake(sender)

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        fields["fields"] = fields.pop("fields_")
        return fields


class SenderListSerializer(StrictSerializer):
    """All known senders."""

    data = SenderSerializer(many=True, help_text="Senders by name.")  # type: ignore[assignment]
