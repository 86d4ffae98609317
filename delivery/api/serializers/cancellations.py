"""Serialize cancellations of many deliveries."""

from typing import Any

from rest_framework import serializers

from webhooks.kit.rest.selection import SelectionSerializer
from webhooks.kit.rest.serializers import ObjectField


class CancellationSerializer(SelectionSerializer):
    """The deliveries to cancel, by a filter. Without conditions `"all": true` selects every unfinished delivery."""

    filter = ObjectField(
        default=dict,
        help_text="Conditions that all have to be met. `ids`: list of up to 10,000 ids of deliveries; `endpoint`: id "
        "or `uid`; `labels`: those that the endpoints have; `type`: event type; `since` (included) and `until` "
        "(excluded): when the delivery was created, with "
        'an offset. Example: `{"endpoint": "main", "type": "order.paid"}`.',
    )


class CancellationResultSerializer(serializers.Serializer[Any]):
    """The number of deliveries that were cancelled or, in a preview, would be."""

    total = serializers.IntegerField(help_text="Deliveries cancelled, or counted in a preview.")
    has_more = serializers.BooleanField(help_text="Whether more deliveries match; repeat the request to cancel them.")
