"""Serve alert rules: create, replace, list, read, change, delete, preview, test; and the conditions they can watch."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from delivery.alerts import rules, trial
from delivery.alerts.channel_rows import with_channels
from delivery.alerts.history import with_firing
from delivery.api.serializers.alerts import (
    CONDITION_NAMES,
    AlertConditionListSerializer,
    AlertRulePreviewCreateSerializer,
    AlertRulePreviewSerializer,
    AlertRuleSerializer,
    AlertTestSerializer,
)
from delivery.models import AlertRule
from subscriptions.api.authentication import principal
from subscriptions.api.tenancy import TenantScoped, named_tenant_of
from subscriptions.models import Scope, Tenant
from webhooks.kit.conditions.registry import CONDITIONS
from webhooks.kit.rest.list_filters import contains
from webhooks.kit.rest.query_params import BooleanFilter, ChoiceFilter, QueryParams, TextFilter
from webhooks.kit.rest.resources import Resource

EXAMPLES = [
    OpenApiExample(
        "No orders",
        {"name": "No orders", "condition": "events_silent", "settings": {"event_type": "order.*", "minutes": 30}},
        request_only=True,
    ),
    OpenApiExample(
        "An endpoint fails",
        {
            "name": "An endpoint fails",
            "condition": "endpoint_failing",
            "severity": "critical",
            "for_minutes": 10,
            "keep_minutes": 2,
            "channels": [{"type": "endpoint", "endpoint": "on-call"}],
        },
        request_only=True,
    ),
]


def owner_of(request: Request) -> Tenant | None:
    """Return the tenant of the request; None for a platform key that names none: the operator."""
    return named_tenant_of(request) or principal(request).tenant


class AlertRuleFilters(QueryParams):
    """Filter alert rules."""

    condition = ChoiceFilter(  # type: ignore[assignment]  # a field, not the method
        CONDITION_NAMES, unindexed=True, help_text="What is watched."
    )
    enabled = BooleanFilter(unindexed=True, help_text="Whether the rule is evaluated.")
    q = TextFilter(
        where=contains("uid", "name"),
        unindexed=True,
        min_length=2,
        max_length=256,
        help_text="Text in the `uid` or the name, ignoring case.",
    )


@extend_schema_view(update=extend_schema(responses={200: AlertRuleSerializer, 201: AlertRuleSerializer}))
class AlertRules(TenantScoped[AlertRule], Resource[AlertRule]):
    """Alert rules, newest first."""

    operations = {
        "list": ("List alert rules", "Returns the alert rules, newest first. Filter by condition, or text."),
        "create": (
            "Create an alert rule",
            "Evaluates a condition every few seconds. One message is sent when it begins to hold, and one when it "
            "ends: as the events `waypost.alert.firing` and `waypost.alert.resolved`, and to the channels. With a "
            "platform key that names no tenant, the rule is the operator's and looks at all tenants.",
        ),
        "retrieve": ("Get an alert rule", "Returns one alert rule, by id or `uid`."),
        "update": (
            "Create or replace an alert rule",
            "Sets every field of a rule; a field that is left out gets its default. Creates it if no rule has the "
            "`uid` in the path.",
        ),
        "partial_update": (
            "Update an alert rule",
            "Changes the fields that are given and keeps the others. Set `enabled` to false to switch the rule off: "
            "its alerts are resolved, with a message.",
        ),
        "destroy": (
            "Delete an alert rule",
            "Deletes a rule and resolves its alerts, with a message; they stay in the history. 409 for a rule that "
            "is built in, which can be switched off.",
        ),
    }

    queryset = AlertRule.objects.filter(deleted_at=None)
    serializer_class = AlertRuleSerializer
    query_params = AlertRuleFilters
    creates_by_put = True
    owner: Tenant | None

    def select(self, tenant_id: UUID | None, **arguments: Any) -> QuerySet[AlertRule]:
        """Return the rules for a list, with what is shown of each."""
        return with_firing(with_channels(super().select(tenant_id, **arguments)))

    @extend_schema(examples=EXAMPLES, responses={201: AlertRuleSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self.owner = owner_of(request)
        return super().create(request, *args, **kwargs)

    def create_by_put(self, request: Request) -> Response:
        self.owner = owner_of(request)
        return super().create_by_put(request)

    def create_row(self, fields: dict[str, Any]) -> Response:
        return self.created(rules.create_rule(self.owner, **fields))

    def change_row(self, row: AlertRule, fields: dict[str, Any]) -> AlertRule:
        return rules.change_rule(row, fields)

    def delete_row(self, row: AlertRule) -> None:
        rules.delete_rule(row)


class AlertRulePreview(TenantScoped[AlertRule]):
    """Try a rule that is not created."""

    is_audited = False
    expensive = ("POST",)  # read by subscriptions.api.conventions.expensive_requests
    operations = {
        "post": (
            "Preview an alert rule",
            "Evaluates a condition once, and tells how often a rule with it would have fired within the last 24 full "
            "hours. Nothing is stored or sent.",
        ),
    }

    queryset = AlertRule.objects.all()
    required_scopes = {"POST": Scope.READ}
    serializer_class = AlertRulePreviewCreateSerializer

    @extend_schema(
        operation_id="preview_alert_rule",
        request=AlertRulePreviewCreateSerializer,
        responses={200: AlertRulePreviewSerializer},
        examples=[
            OpenApiExample(
                "Success rate", {"condition": "success_rate", "settings": {"below_percent": 95}}, request_only=True
            )
        ],
    )
    def post(self, request: Request) -> Response:
        owner = owner_of(request)
        found = trial.preview(AlertRule(tenant=owner, **self.body()))
        return Response(AlertRulePreviewSerializer(found).data)


class AlertRuleTest(TenantScoped[AlertRule]):
    """Send a test message."""

    operations = {
        "post": (
            "Test an alert rule",
            "Sends a test message by all ways of a rule: the event `waypost.alert.firing` with the `occasion` `test`, "
            "and a message to each address and URL. The rule's alerts stay as they are.",
        ),
    }

    reads_body = False
    queryset = AlertRule.objects.filter(deleted_at=None)
    required_permissions = {"POST": "delivery.change_alertrule"}
    serializer_class: type[serializers.Serializer[Any]] = AlertTestSerializer

    @extend_schema(operation_id="test_alert_rule", request=None, responses={202: AlertTestSerializer})
    def post(self, request: Request, ref: str) -> Response:
        sent = trial.send_test(self.get_object())
        return Response({"sent": sent}, status=status.HTTP_202_ACCEPTED)


class AlertConditions(TenantScoped[AlertRule]):
    """The conditions that rules can watch."""

    operations = {
        "get": (
            "List alert conditions",
            "Returns what alert rules can watch, with the settings of each. Conditions about the platform itself are "
            "for the operator's rules only.",
        ),
    }

    queryset = AlertRule.objects.none()
    serializer_class: type[serializers.Serializer[Any]] = AlertConditionListSerializer

    @extend_schema(operation_id="list_alert_conditions", responses=AlertConditionListSerializer)
    def get(self, request: Request) -> Response:
        owner = owner_of(request)
        shown = [it for it in CONDITIONS.values() if owner is None or not it.is_for_operators]
        return Response(AlertConditionListSerializer({"data": shown}).data)
