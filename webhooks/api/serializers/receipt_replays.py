"""Serialize replays of receipts, their previews, and what they select."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from webhooks.kit.rest.fields.json_values import ObjectField
from webhooks.kit.rest.fields.references import IdField
from webhooks.kit.rest.fields.scalars import IntegerField
from webhooks.kit.rest.selection import SelectionSerializer
from webhooks.models import ReceiptReplay
from webhooks.processing.replays import DEFAULT_RATE, MAX_RATE, ReplayedStates, states_of


class ReceiptReplaySerializer(serializers.ModelSerializer[ReceiptReplay]):
    """A request to run the handlers again on receipts, with its progress: `replayed` of `total` receipts."""

    id = IdField(ReceiptReplay.prefix)

    class Meta:
        model = ReceiptReplay
        fields = [
            *("id", "state", "filter", "rate", "total", "is_lower_bound", "replayed"),
            *("requested_by", "created_at", "finished_at"),
        ]
        read_only_fields = fields


class ReplayedReceiptsSerializer(serializers.Serializer[ReplayedStates]):
    """The receipts that a replay made due, by their state now."""

    pending = serializers.IntegerField(help_text="Handlers are still to run.")
    processed = serializers.IntegerField(help_text="Handlers have succeeded.")
    dead = serializers.IntegerField(help_text="Given up again.")
    is_lower_bound = serializers.BooleanField(help_text="Whether counting stopped at 100,000 receipts.")


class ReceiptReplayDetailSerializer(ReceiptReplaySerializer):
    """A replay with what became of its receipts."""

    receipts = serializers.SerializerMethodField(
        help_text="What became of its receipts. One that a later replay made due again counts there."
    )

    class Meta(ReceiptReplaySerializer.Meta):
        fields = [*ReceiptReplaySerializer.Meta.fields, "receipts"]
        read_only_fields = fields

    @extend_schema_field(ReplayedReceiptsSerializer)
    def get_receipts(self, row: ReceiptReplay) -> dict[str, Any]:
        return states_of(row)._asdict()


class ReceiptSelectionSerializer(SelectionSerializer):
    """The receipts to replay, by a filter. Without conditions `"all": true` selects all dead receipts."""

    filter = ObjectField(
        required=False,
        default=dict,
        help_text="Filters of the list of receipts: `source`, `state`, `event_type`, `message_id`, `cause`, `since`, "
        "`until`, `labels` and `q`, `order_key`, `out_of_order`, `unhandled`, `skipped`. "
        "The replay shows `q` as `q_labels` if the key may not see payloads: errors, which may quote them, were not "
        "searched. "
        "The default of `state` is `dead`. "
        'Example: `{"source": "shop", "since": "2030-01-31T12:00:00Z"}`.',
    )


class ReceiptReplayCreateSerializer(ReceiptSelectionSerializer):
    """The receipts to replay, by a filter or `"all": true`, and the rate."""

    rate = IntegerField(
        min_value=1, max_value=MAX_RATE, default=DEFAULT_RATE, help_text="Receipts made due per second, at most."
    )
