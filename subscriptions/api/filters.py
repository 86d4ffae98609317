"""What may be asked of the lists, over and above whose they are."""

from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from rest_framework.exceptions import ValidationError

from subscriptions.api.tenancy import find, tenant_id_of
from subscriptions.models import Endpoint, Subscription
from subscriptions.routing.route_table import matching_names

__all__ = ["EndpointFilter", "SubscriptionFilter"]


class EndpointFilter(filters.FilterSet):  # type: ignore[misc]
    """``?state=paused``"""

    class Meta:
        model = Endpoint
        fields = ["state"]


class SubscriptionFilter(filters.FilterSet):  # type: ignore[misc]
    """``?endpoint=`` an id or a uid, ``?active=true``, ``?event_type=order.paid``: those that want such events"""

    endpoint = filters.CharFilter(method="of_endpoint")
    event_type = filters.CharFilter(method="wanting", max_length=256)

    class Meta:
        model = Subscription
        fields = ["endpoint", "active"]

    def wanting(self, rows: QuerySet[Subscription], name: str, event_type: str) -> QuerySet[Subscription]:
        return rows.filter(event_types__overlap=list(matching_names(event_type)))

    def of_endpoint(self, rows: QuerySet[Subscription], name: str, ref: str) -> QuerySet[Subscription]:
        endpoints = Endpoint.objects.filter(deleted_at=None)
        tenant_id = tenant_id_of(self.request)
        found: Any = find(endpoints if tenant_id is None else endpoints.filter(tenant=tenant_id), ref)
        if found is None:
            raise ValidationError({name: ["There is none with this id."]})
        return rows.filter(endpoint=found)
