"""Show and edit alert rules; switch them on and off, test them, and show how often they would have fired."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from delivery.admin.alerts.alerts import SEVERITY_TONES
from delivery.admin.alerts.forms import CHANNELS, form_of, shown_channel
from delivery.alerts import rules, trial
from delivery.alerts.channel_rows import channels_of
from delivery.alerts.history import with_firing
from delivery.models import AlertRule
from subscriptions.admin.actions import run_for_each
from subscriptions.errors import Invalid
from webhooks.kit.admin.display import column, link, pill, when
from webhooks.kit.admin.filters import ChoicesFilter, RelatedFilter
from webhooks.kit.admin.lists import AdminList
from webhooks.kit.admin.setting_fields import field_name
from webhooks.kit.conditions.condition import Condition
from webhooks.kit.conditions.registry import CONDITIONS

MAY_CHANGE, MAY_ADD, MAY_DELETE = (f"delivery.{it}_alertrule" for it in ("change", "add", "delete"))


@admin.register(AlertRule)
class AlertRuleAdmin(AdminList):
    """Show and edit alert rules."""

    empty_note = "A rule says which condition fires an alert, and who is notified."
    list_display = (
        *("name", "state_column", "severity_column", "condition_column", "firing_column", "evaluated_column"),
        *("last_error", "owner_link"),
    )
    list_select_related = ("tenant",)
    list_filter = (("tenant", RelatedFilter), ("severity", ChoicesFilter), "enabled")
    search_help_text = "Search by ID or external ID (exact), or part of the name"
    searches_names = True
    raw_id_fields = ("tenant",)
    actions = ("enable_selected", "disable_selected")
    readonly_fields = (
        *("public_id", "owner_link", "evaluated_column", "last_error", "condition_column", "settings_column"),
        "channels_column",
    )
    change_form_outer_before_template = "delivery/admin/alert_rule_operations.html"
    change_form_after_template = "delivery/admin/alert_rule.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[AlertRule]:
        rows: QuerySet[AlertRule] = super().get_queryset(request)
        return with_firing(rows.filter(deleted_at=None))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(MAY_ADD))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm(MAY_CHANGE))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm(MAY_DELETE)) and not (obj is not None and obj.is_built_in)

    def get_fieldsets(self, request: HttpRequest, obj: AlertRule | None = None) -> Any:
        watched = self._watched(request, obj)
        settings, channels = tuple(map(field_name, watched.settings)) if watched else (), tuple(CHANNELS.values())
        if obj is not None and not self.has_change_permission(request, obj):  # these are fields of the form only
            settings, channels = ("settings_column",), ("channels_column",)
        first = ("tenant",) if obj is None else (("public_id", "owner_link"), ("evaluated_column", "last_error"))
        times = (("for_minutes", "keep_minutes"), "reminder_minutes")
        return [
            (None, {"fields": (*first, ("name", "uid"), ("severity", "enabled"))}),
            (
                "What it watches",
                {
                    "fields": ("condition_column", *settings, *times),
                    "description": watched.description if watched else "",
                },
            ),
            ("Who is notified", {"fields": channels}),
        ]

    def get_form(self, request: HttpRequest, obj: AlertRule | None = None, change: bool = False, **options: Any) -> Any:
        return super().get_form(request, obj, change, **{"form": form_of(self._watched(request, obj)), **options})

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask what to watch, then show the form of that condition."""
        if self.has_add_permission(request) and self._watched(request, None) is None:
            context = {**self.admin_site.each_context(request), "title": "Add alert rule", "opts": self.opts}
            context |= {"media": self.media, "conditions": CONDITIONS.values()}
            return TemplateResponse(request, "delivery/admin/alert_conditions.html", context)
        response: HttpResponse = super().add_view(request, form_url, extra_context)
        return response

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        watched = self._watched(request, None)
        return {"name": watched.label, "for_minutes": watched.minutes} if watched else {}

    def _watched(self, request: HttpRequest, obj: AlertRule | None) -> Condition | None:
        """Return the condition of a rule, or of the one to be added, which the address names."""
        return CONDITIONS.get(request.GET.get("condition", "") if obj is None else obj.condition)

    def save_model(self, request: HttpRequest, obj: AlertRule, form: Any, change: bool) -> None:
        obj.pk = form.write().pk

    def delete_model(self, request: HttpRequest, obj: AlertRule) -> None:
        rules.delete_rule(obj)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """List the rules only: their alerts stay, so no permission to delete those is needed."""
        shown = [str(it) for it in objs]
        return shown, {str(self.opts.verbose_name_plural): len(shown)}, set(), []

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[AlertRule]) -> None:
        for rule in queryset:
            try:
                rules.delete_rule(rule)
            except Invalid as error:
                messages.error(request, f"{rule}: {error.message}")

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.test_view)
        return [path("<uuid:pk>/test/", page, name="delivery_alertrule_test"), *super().get_urls()]

    def test_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Send a test message by POST."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        rule = get_object_or_404(AlertRule, pk=pk, deleted_at=None)
        sent = trial.send_test(rule)
        self.log_change(request, rule, f"Test messages sent: {sent}.")
        if sent:
            messages.success(request, f"Test messages being sent: {sent}")
        else:
            messages.warning(request, "The rule has no channel and no subscription: its messages reach no one.")
        return redirect("admin:delivery_alertrule_change", pk)

    @admin.action(description="Switch on selected", permissions=["change"])
    def enable_selected(self, request: HttpRequest, selected: QuerySet[AlertRule]) -> None:
        """Switch the selected rules on."""
        self._set_enabled(request, selected, True, "switched on")

    @admin.action(description="Switch off selected", permissions=["change"])
    def disable_selected(self, request: HttpRequest, selected: QuerySet[AlertRule]) -> None:
        """Switch the selected rules off, which resolves their alerts."""
        self._set_enabled(request, selected, False, "switched off")

    def _set_enabled(self, request: HttpRequest, selected: QuerySet[AlertRule], enabled: bool, done: str) -> None:
        run_for_each(self, request, selected, lambda rule: rules.change_rule(rule, {"enabled": enabled}), done)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if row is not None:
            try:
                context["preview"] = trial.preview(AlertRule.objects.get(pk=row.pk))
            except Invalid as error:
                context["preview_error"] = error.message
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    state_column = column("State", lambda row: pill("on", "good") if row.enabled else pill("off"))
    severity_column = column("Severity", lambda row: pill(row.severity, SEVERITY_TONES.get(row.severity, "plain")))
    condition_column = column("Condition", lambda row: _label(row.condition))
    settings_column = column("Settings", lambda row: _joined(f"{name}: {it}" for name, it in row.settings.items()))
    channels_column = column("Channels", lambda row: _joined(map(shown_channel, channels_of(row))))
    firing_column = column("Firing", lambda row: f"{row.firing_count:,}")
    evaluated_column = column("Evaluated", lambda row: when(row.evaluated_at))
    owner_link = column("Rule of", lambda row: link(row.tenant, row.tenant.name) if row.tenant else "Operator")


def _joined(texts: Iterable[str]) -> str:
    return "; ".join(texts) or "–"


def _label(condition: str) -> str:
    known = CONDITIONS.get(condition)
    return condition if known is None else known.label
