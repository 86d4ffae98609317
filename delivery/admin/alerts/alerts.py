"""Show alerts, those that fire first; acknowledge and snooze them after a confirmation page."""

from collections import Counter
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from delivery.admin.time_filter import TimeRangeFilter
from delivery.alerts.history import acknowledge, snooze
from delivery.models import Alert, AlertRule
from subscriptions.errors import StateConflict
from subscriptions.models import Tenant
from webhooks.kit.admin.display import NOTHING, Tone, column, link, pill, when
from webhooks.kit.admin.filters import ChoicesFilter, RelatedFilter
from webhooks.kit.admin.lists import AdminList
from webhooks.kit.audit.operation import begin, report
from webhooks.kit.rest.lookup import object_of

MAY_ACKNOWLEDGE = "delivery.acknowledge_alert"
SNOOZES = {"snooze-hour": 60, "snooze-day": 1_440}  # minutes
TITLES = {
    "acknowledge": "Acknowledge",
    "snooze-hour": "Snooze for an hour",
    "snooze-day": "Snooze for a day",
}
NOTES = {
    "acknowledge": "No reminders are sent from now on. The message of its end is sent all the same.",
    "snooze-hour": "No reminders are sent meanwhile, and one then if the alert still fires.",
    "snooze-day": "No reminders are sent meanwhile, and one then if the alert still fires.",
}
STATE_TONES: dict[str, Tone] = {
    Alert.State.FIRING: "bad",
    Alert.State.PENDING: "warn",
    Alert.State.RESOLVED: "good",
}
SEVERITY_TONES: dict[str, Tone] = {
    AlertRule.Severity.CRITICAL: "bad",
    AlertRule.Severity.WARNING: "warn",
    AlertRule.Severity.INFO: "info",
}


def _subject(alert: Alert) -> SafeString | str:
    """Return a link to what an alert is about, such as an endpoint; its name where no page shows it."""
    name, found = alert.subject_name or alert.subject, object_of(alert.subject)
    if found is None or found[0] not in admin.site._registry:
        return name
    model: Any = found[0]
    return link(model(pk=found[1]), name)


def _progress(alert: Alert) -> SafeString:
    """Return the state of an alert, and that it is acknowledged; who has is the tooltip."""
    state = pill(alert.state, STATE_TONES.get(alert.state, "plain"))
    if alert.acknowledged_at is None:
        return state
    return format_html("{} {}", state, pill("acknowledged", "plain", f"by {alert.acknowledged_by}"))


@admin.register(Alert)
class AlertAdmin(AdminList):
    """Show alerts and take them on."""

    empty_note = "Nothing has met the condition of an alert rule."
    list_display = (
        *("message", "progress_column", "severity_column", "rule_link", "subject_link", "tenant_link", "since_column"),
        "ended_column",
    )
    list_select_related = ("rule__tenant", "about_tenant")
    list_filter = (
        ("state", ChoicesFilter),
        ("rule", RelatedFilter),
        ("rule__severity", ChoicesFilter),
        ("fired_at", TimeRangeFilter),
    )
    ordering = ("state", "-id")  # firing, pending, resolved
    search_columns = {"alt": "pk", "alr": "rule_id"}
    search_help_text = "Search by ID of the alert or its rule (exact)"
    change_form_outer_before_template = "delivery/admin/alert_operations.html"
    fields = (
        ("message",),
        ("subject_link", "state_column"),
        ("rule_link", "severity_column"),
        ("since_column", "ended_column"),
        ("public_id", "value"),
        ("acknowledged_column", "acknowledged_by"),
        ("snoozed_column", "snoozed_by"),
        ("tenant_link", "owner_link"),
    )
    readonly_fields = tuple(name for line in fields for name in line)
    actions = ("acknowledge_selected",)

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.operate_view)
        own = [
            path(f"<uuid:pk>/{name}/", page, {"operation": name}, name=f"delivery_alert_{name.replace('-', '_')}")
            for name in TITLES
        ]
        return [*own, *super().get_urls()]

    def operate_view(self, request: HttpRequest, pk: UUID, operation: str) -> HttpResponse:
        """Show the confirmation page; on POST acknowledge or snooze the alert."""
        if not request.user.has_perm(MAY_ACKNOWLEDGE):
            raise PermissionDenied
        alert = get_object_or_404(Alert.objects.select_related("rule"), pk=pk)
        if request.method == "POST":
            changed = self._operate(request, alert, operation)
            report(TITLES[operation], int(changed), int(not changed))
            return redirect("admin:delivery_alert_change", pk)
        context = {
            **self.admin_site.each_context(request),
            "title": TITLES[operation],
            "note": NOTES[operation],
            "opts": Alert._meta,
            "media": self.media,
            "alert": alert,
            "original": alert,
            "total": int(alert.state != Alert.State.RESOLVED),
            "back": reverse("admin:delivery_alert_change", args=[pk]),
        }
        return TemplateResponse(request, "delivery/admin/alert_operation.html", context)

    def _operate(self, request: HttpRequest, alert: Alert, operation: str) -> bool:
        """Acknowledge or snooze an alert; return whether that changed it."""
        begin(alert, f"{TITLES[operation]}.")
        user = f"admin:{request.user.get_username()}"
        is_known = operation == "acknowledge" and alert.acknowledged_at is not None  # the first one stays
        if is_known:
            messages.warning(request, f"{alert}: no change")
            return False
        try:
            if operation == "acknowledge":
                acknowledge(alert, user)
            else:
                snooze(alert, SNOOZES[operation], user)
        except StateConflict as error:
            messages.warning(request, f"{alert}: {error.message}")
            return False
        self.log_change(request, alert, f"{TITLES[operation]}.")
        messages.success(request, f"{TITLES[operation]}: {alert}")
        return True

    def has_acknowledge_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may acknowledge alerts (read by the admin for the action)."""
        return bool(request.user.has_perm(MAY_ACKNOWLEDGE))

    @admin.action(description="Acknowledge selected", permissions=["acknowledge"])
    def acknowledge_selected(self, request: HttpRequest, selected: QuerySet[Alert]) -> None:
        """Acknowledge the selected alerts."""
        counted = Counter(self._operate(request, alert, "acknowledge") for alert in selected)
        report(TITLES["acknowledge"], counted[True], counted[False])

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if row is not None and row.state != Alert.State.RESOLVED and request.user.has_perm(MAY_ACKNOWLEDGE):
            names = [it for it in TITLES if it != "acknowledge" or row.acknowledged_at is None]
            context["operations"] = [
                (TITLES[it], reverse(f"admin:delivery_alert_{it.replace('-', '_')}", args=[row.pk])) for it in names
            ]
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    state_column = column("State", lambda row: pill(row.state, STATE_TONES.get(row.state, "plain")))
    progress_column = column("State", _progress)
    severity_column = column(
        "Severity", lambda row: pill(row.rule.severity, SEVERITY_TONES.get(row.rule.severity, "plain"))
    )
    subject_link = column("Subject", _subject)
    rule_link = column("Rule", lambda row: link(row.rule, row.rule.name))
    since_column = column("Since", lambda row: when(row.since))
    ended_column = column("Resolved", lambda row: when(row.resolved_at))
    acknowledged_column = column("Acknowledged", lambda row: when(row.acknowledged_at))
    snoozed_column = column("Snoozed until", lambda row: when(row.snoozed_until))
    tenant_link = column("About", lambda row: _tenant(row.about_tenant))
    owner_link = column("Rule of", lambda row: _tenant(row.rule.tenant) if row.rule.tenant else "Operator")


def _tenant(tenant: Tenant | None) -> Any:
    return NOTHING if tenant is None else link(tenant, tenant.name)
