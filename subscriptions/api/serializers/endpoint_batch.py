"""Serialize many endpoints in one request, and the result of each."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from subscriptions.api.fields.own import RequiredUid
from subscriptions.api.serializers.endpoints import EndpointCreateSerializer, EndpointWithSecretSerializer
from webhooks.kit.rest.fields.json_values import ListField, ObjectField
from webhooks.kit.rest.selection import SelectionSerializer
from webhooks.kit.rest.serializers import StrictSerializer

MAX_ITEMS = 500
CREATED, UPDATED, FAILED = "created", "updated", "failed"
STATUSES = [
    (CREATED, "No endpoint had this uid"),
    (UPDATED, "The endpoint with this uid was replaced"),
    (FAILED, "Nothing was changed for this item; see `error`"),
]


class EndpointItemSerializer(EndpointCreateSerializer):
    """An endpoint of a batch, to create or to replace by its `uid`."""

    uid = RequiredUid()


@extend_schema_field(EndpointItemSerializer(many=True))
class EndpointItemsField(ListField):
    """Accept objects; each is validated as a new endpoint, or as the replacement of the one with its uid."""

    def __init__(self, **options: Any) -> None:
        super().__init__(child=ObjectField(), min_length=1, max_length=MAX_ITEMS, **options)


class EndpointBatchSerializer(StrictSerializer):
    """Endpoints to create or replace, each by its `uid`."""

    data = EndpointItemsField(  # type: ignore[assignment]  # the stubs have a property of this name
        help_text=f"Endpoints, each with a `uid`, at most {MAX_ITEMS}. One whose `uid` exists is replaced as by a PUT."
    )


@extend_schema_field({"oneOf": [{"$ref": "#/components/schemas/Problem"}, {"type": "null"}]})
class ItemProblemField(serializers.JSONField):
    """The problem of one item; null without one."""


class EndpointBatchItemSerializer(serializers.Serializer[Any]):
    """The result of one item of a batch."""

    uid = serializers.CharField(help_text="The `uid` of the item.")
    status = serializers.ChoiceField(STATUSES, help_text="What was done.")
    endpoint = EndpointWithSecretSerializer(
        allow_null=True, help_text="The endpoint; with its `secret` if it was created; null: it failed."
    )
    error = ItemProblemField(help_text="The problem that a request with this item alone would get; null: none.")


class EndpointBatchResultSerializer(serializers.Serializer[Any]):
    """The results of a batch, in the order of its items."""

    data = EndpointBatchItemSerializer(  # type: ignore[assignment]  # the stubs have a property of this name
        many=True, help_text="One result for each item, in order."
    )
    created = serializers.IntegerField(help_text="Endpoints created.")
    updated = serializers.IntegerField(help_text="Endpoints replaced.")
    failed = serializers.IntegerField(help_text="Items that changed nothing.")


class EndpointSelectionSerializer(SelectionSerializer):
    """The endpoints to delete, by a filter. Without conditions `"all": true` selects every endpoint of the tenant."""

    filter = ObjectField(
        default=dict,
        help_text="Filters of the list of endpoints: `uid`, `url`, `state`, `labels`, `q`, `since`, `until`. "
        'Example: `{"labels": {"env": "test"}}`.',
    )


class SubscriptionSelectionSerializer(SelectionSerializer):
    """The subscriptions to delete, by a filter. Without conditions `"all": true` selects every one of the tenant."""

    filter = ObjectField(
        default=dict,
        help_text="Filters of the list of subscriptions: `endpoint`, `labels`, `active`, `event_type`. "
        'Example: `{"endpoint": "main"}`.',
    )
