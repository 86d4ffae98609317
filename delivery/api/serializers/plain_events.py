"""Define the field of an event in the plain form that is published later, or for many."""

from typing import Any

from rest_framework.exceptions import ErrorDetail, ValidationError

from delivery.publishing.plain_form import DELIVER_AT, unknown_members
from webhooks.kit.rest.fields.json_values import ObjectField


class PlainEventField(ObjectField):
    """An event in the plain form. Unknown members are reported with the other faults of the body; values are not."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        event = super().to_internal_value(data)
        faults = {name: it for name, it in unknown_members(event).items() if name != DELIVER_AT}
        if faults:
            raise ValidationError({name: [ErrorDetail(it.reason, it.code)] for name, it in faults.items()})
        return event
