"""Serve alerts, those that fire and those of the past: list, read, acknowledge, snooze."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from delivery.alerts import history
from delivery.api.filters.fields import RowFilter
from delivery.api.serializers.alerts import AlertSerializer, AlertSnoozeSerializer
from delivery.models import Alert, AlertRule
from subscriptions.api.authentication import principal
from subscriptions.api.tenancy import TenantScoped
from webhooks.kit.rest.list_filters import PeriodFilters
from webhooks.kit.rest.lookup import exists, object_of
from webhooks.kit.rest.query_params import ChoiceFilter, TextFilter
from webhooks.kit.rest.resources import ReadOnlyResource


def _rules(tenant_id: UUID | None, ref: str) -> QuerySet[AlertRule]:
    """Return the rules in which to look up an id or uid: a deleted rule is found by its id."""
    rows = AlertRule.objects.all() if tenant_id is None else AlertRule.objects.filter(tenant=tenant_id)
    return rows if ref.startswith(f"{AlertRule.prefix}_") else rows.filter(deleted_at=None)


class SubjectFilter(TextFilter):
    """Filter by the subject. An id that names nothing is an error; other names are those of parts of the platform."""

    default_error_messages = {"unknown": "Nothing has this id."}

    def to_internal_value(self, data: Any) -> str:
        subject: str = super().to_internal_value(data)
        if object_of(subject) is not None and not exists(subject, self.context["view"].tenant_id()):
            self.fail("unknown")
        return subject


class AlertFilters(PeriodFilters):
    """Filter alerts."""

    state = ChoiceFilter(Alert.State.choices, unindexed=True, help_text="State of the alert.")
    rule = RowFilter(_rules, help_text="Id or `uid` of the rule.")
    subject = SubjectFilter(unindexed=True, max_length=256, help_text="Id or name of the subject, exact.")


class AlertView(TenantScoped[Alert]):
    """Alerts of the request's tenant, or of all."""

    queryset = Alert.objects.select_related("rule")
    serializer_class: type[serializers.BaseSerializer[Any]] = AlertSerializer


class Alerts(AlertView, ReadOnlyResource[Alert]):
    """Alerts, newest first."""

    operations = {
        "list": (
            "List alerts",
            "Returns alerts, newest first: those that fire, and those of the last 90 days. Filter by state, rule, "
            "subject or time.",
        ),
        "retrieve": ("Get an alert", "Returns one alert."),
    }

    query_params = AlertFilters


class AlertAcknowledgement(AlertView):
    """Acknowledge an alert."""

    operations = {
        "post": (
            "Acknowledge an alert",
            "Records that a person has taken the alert on: no reminders are sent from now on. The first "
            "acknowledgement stays. 409 if the alert is resolved.",
        ),
    }

    reads_body = False
    required_permissions = {"POST": "delivery.acknowledge_alert"}

    @extend_schema(operation_id="acknowledge_alert", request=None, responses={200: AlertSerializer})
    def post(self, request: Request, ref: str) -> Response:
        row = history.acknowledge(self.get_object(), principal(request).label)
        return Response(AlertSerializer(row).data)


class AlertSnooze(AlertView):
    """Snooze an alert."""

    operations = {
        "post": (
            "Snooze an alert",
            "Sends no reminders for `minutes`, and one then if the alert still fires. 409 if it is resolved.",
        ),
    }
    required_permissions = {"POST": "delivery.acknowledge_alert"}

    serializer_class = AlertSnoozeSerializer

    @extend_schema(
        operation_id="snooze_alert",
        request=AlertSnoozeSerializer,
        responses={200: AlertSerializer},
        examples=[OpenApiExample("An hour", {"minutes": 60}, request_only=True)],
    )
    def post(self, request: Request, ref: str) -> Response:
        row = self.get_object()
        minutes = self.body(AlertSnoozeSerializer)["minutes"]
        return Response(AlertSerializer(history.snooze(row, minutes, principal(request).label)).data)
