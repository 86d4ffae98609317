"""Show and edit tenants and plans; create and revoke API keys. A new key is shown once."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html

from subscriptions.admin.actions import confirm_action, is_confirmed, run_for_each, show_once
from subscriptions.admin.forms import KeyForm, PlanForm, TenantForm
from subscriptions.admin.row_operations import OperationsAdmin
from subscriptions.admin.tenant_operations import TENANTS
from subscriptions.models import ApiKey, Plan, Tenant
from subscriptions.search import find_tenants
from subscriptions.tenants import keys, plans, tenants
from webhooks.kit.admin.display import NOTHING, column, link, pill, size, when
from webhooks.kit.admin.filters import RelatedFilter
from webhooks.kit.admin.lists import AdminList
from webhooks.kit.rows import find_by_uid

NO_LIMIT = "no limit"


@admin.register(Tenant)
class TenantAdmin(OperationsAdmin, AdminList):
    """Show, add and edit tenants."""

    empty_note = "A tenant is a customer whose endpoints receive events."
    operations = TENANTS
    list_display = (
        "public_id",
        "name",
        "uid",
        "plan",
        "label_list",
        "kind",
        "retention",
        "created",
        "deleted",
    )
    list_select_related = ("plan",)
    search_help_text = "Search by ID (exact), name or external ID (a part)"
    sortable_by = ("created",)
    form = TenantForm
    readonly_fields: tuple[str, ...] = ("public_id", "created", "deleted")
    fields: tuple[str, ...] = (
        *("public_id", "name", "uid", "plan", "labels", "is_platform", "metadata", "unknown_event_types"),
        *("retention_days", "archives_events", "created", "deleted"),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("subscriptions.add_tenant")

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm("subscriptions.change_tenant")

    def find_text(self, rows: QuerySet[Tenant], term: str) -> QuerySet[Tenant]:
        return rows.filter(pk__in=find_tenants(term)) | find_by_uid(rows, term)

    created = column("Created", lambda row: when(row.created_at), order="id")
    deleted = column("Deleted", lambda row: when(row.deleted_at))
    kind = column("Kind", lambda tenant: pill("platform", "info") if tenant.is_platform else NOTHING)
    retention = column("Retention", lambda tenant: f"{tenant.retention_days:,} days")

    @admin.display(description="Labels")
    def label_list(self, tenant: Tenant) -> str:
        return ", ".join(f"{name}:{value}" for name, value in sorted(tenant.labels.items())) or NOTHING

    def save_model(self, request: HttpRequest, obj: Tenant, form: Any, change: bool) -> None:
        """Save as the REST API does: a new tenant of the platform replaces the former one."""
        fields = form.cleaned_data
        if change:
            tenants.change_tenant(obj, fields)
        else:
            obj.pk = tenants.create_tenant(**fields).pk
        for other in tenants.of_same_name(obj):
            text = format_html(
                "Another tenant has this name: {}. An external ID tells them apart.",
                link(other),
            )
            messages.warning(request, text)


def _limit(number: int | None, unit: str = "") -> str:
    """Return a limit of a plan in words."""
    return NO_LIMIT if number is None else f"{number:,}{unit}"


@admin.register(Plan)
class PlanAdmin(AdminList):
    """Show, add and edit plans."""

    empty_note = (
        "A plan has the limits of the tenants that are on it. Without one, there are only those of the platform."
    )
    list_display = (
        *("name", "uid", "default", "events", "rate", "endpoints", "subscriptions", "sources", "schedules"),
        *("event_size", "retention", "updated"),
    )
    search_help_text = "Search by ID or external ID (exact), or part of the name"
    searches_names = True
    form = PlanForm
    readonly_fields = ("public_id", "created", "updated")
    fields = (
        *("public_id", "name", "uid", "is_default", "events_per_month", "publish_rate", "max_endpoints"),
        *("max_subscriptions", "max_subscription_bytes", "max_sources", "max_schedules"),
        *("min_schedule_interval_seconds", "max_event_bytes", "max_retention_days"),
        *("created", "updated"),
    )

    default = column("Default", lambda plan: pill("default", "info") if plan.is_default else NOTHING)
    events = column("Events per month", lambda plan: _limit(plan.events_per_month))
    rate = column("Events per second", lambda plan: _limit(plan.publish_rate))
    endpoints = column("Endpoints", lambda plan: _limit(plan.max_endpoints))
    subscriptions = column("Subscriptions", lambda plan: _limit(plan.max_subscriptions))
    sources = column("Sources", lambda plan: _limit(plan.max_sources))
    schedules = column("Schedules", lambda plan: _limit(plan.max_schedules))
    event_size = column("Event size", lambda plan: size(plan.max_event_bytes) if plan.max_event_bytes else NO_LIMIT)
    retention = column("Retention", lambda plan: _limit(plan.max_retention_days, " days"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("subscriptions.add_plan")

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm("subscriptions.change_plan")

    created = column("Created", lambda row: when(row.created_at))
    updated = column("Updated", lambda row: when(row.updated_at))

    def save_model(self, request: HttpRequest, obj: Plan, form: Any, change: bool) -> None:
        fields = form.cleaned_data
        if change:
            plans.change_plan(obj, fields)
        else:
            obj.pk = plans.create_plan(**fields).pk


@admin.register(ApiKey)
class ApiKeyAdmin(AdminList):
    """Show, create and revoke API keys."""

    empty_note = "An API key lets a program publish events and manage endpoints, of one tenant or of all."
    list_display = (
        *("public_id", "key_prefix", "name", "tenant_link", "role", "scopes"),
        *("last_used", "expires", "revoked"),
    )
    list_select_related = ("tenant",)
    list_filter = (("tenant", RelatedFilter),)
    search_help_text = "Search by ID (exact), or part of the name"
    searches_names = True
    form = KeyForm
    raw_id_fields = ("tenant",)
    actions = ("rotate", "revoke")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("subscriptions.add_apikey")

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("subscriptions.change_apikey")

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        return self.list_display if obj else ("tenant", "name", "role", "scopes", "expires_at")

    tenant_link = column("Tenant", lambda row: link(row.tenant, row.tenant.name) if row.tenant else "Platform")
    last_used = column("Last used", lambda row: when(row.last_used_at))
    expires = column("Expires", lambda row: when(row.expires_at))
    revoked = column("Revoked", lambda row: when(row.revoked_at))

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        created, text = keys.create_key(obj.tenant, obj.scopes, obj.name, obj.expires_at, role=obj.role)
        obj.pk, obj.key_prefix = created.pk, created.key_prefix
        request.new_key = text  # type: ignore[attr-defined]

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None) -> HttpResponse:
        return show_once(self, request, "New API key", [(str(obj), request.new_key)])  # type: ignore[attr-defined]

    @admin.action(permissions=["add"], description="Rotate: the old key works for a day more")
    def rotate(self, request: HttpRequest, selected: QuerySet[ApiKey]) -> HttpResponse:
        """Ask, then replace the selected keys and show the new ones once."""
        if not is_confirmed(request):
            note = "Each gets a successor with the same name, role and scopes. The old key works for 24 h more."
            return confirm_action(self, request, selected, "Rotate API key", note, is_destructive=False)
        texts: list[tuple[str, str]] = []
        run_for_each(
            self,
            request,
            selected,
            lambda row: texts.append((str(row), keys.rotate_key(row)[1])),
            "rotated",
        )
        return show_once(self, request, "New API keys", texts)

    @admin.action(permissions=["revoke"], description="Revoke")
    def revoke(self, request: HttpRequest, selected: QuerySet[ApiKey]) -> HttpResponse | None:
        """Ask, then revoke the selected keys."""
        if not is_confirmed(request):
            note = "Requests with them get 401 within a second. That cannot be undone; rotate a key to replace it."
            return confirm_action(self, request, selected, "Revoke", note)
        run_for_each(self, request, selected, keys.revoke_key, "revoked")
        return None
