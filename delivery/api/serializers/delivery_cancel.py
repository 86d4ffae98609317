"""Serialize the selection of deliveries to cancel."""

from webhooks.kit.rest.fields.json_values import ObjectField
from webhooks.kit.rest.selection import SelectionSerializer


class DeliveryCancelSerializer(SelectionSerializer):
    """The deliveries to cancel, by a filter. Without conditions `"all": true` selects every unfinished delivery."""

    filter = ObjectField(
        default=dict,
        help_text="Conditions that all have to be met. `ids`: list of up to 10,000 ids of deliveries, an "
        "unknown one is an error; `endpoint`: id "
        "or `uid`; `labels`: those that the endpoints have; `type`: event type; `since` (included) and `until` "
        "(excluded): when the delivery was created, with "
        'an offset. Example: `{"endpoint": "main", "type": "order.paid"}`.',
    )
