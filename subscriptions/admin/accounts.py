"""Show and edit tenants and plans; create and revoke API keys. A new key is shown once."""

from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse

from subscriptions.admin.actions import run_for_each, show_once
from subscriptions.admin.forms import KeyForm, PlanForm, TenantForm
from subscriptions.models import ApiKey, Plan, Tenant
from subscriptions.search import find_tenants
from subscriptions.tenants import keys, plans, tenants
from webhooks.kit.admin.display import NOTHING
from webhooks.kit.admin.lists import AdminList
from webhooks.kit.rows import find_by_uid

BY_ID_OR_UID = "Search by ID or external ID (exact)"


@admin.register(Tenant)
class TenantAdmin(AdminList):
    """Show, add and edit tenants."""

    list_display = (
        "public_id",
        "name",
        "uid",
        "plan",
        "label_list",
        "is_platform",
        "retention_days",
        "created_at",
        "deleted_at",
    )
    list_select_related = ("plan",)
    search_help_text = "Search by ID (exact), name or external ID (a part)"
    sortable_by = ("created_at",)
    form = TenantForm
    readonly_fields: tuple[str, ...] = ("public_id", "created_at", "deleted_at")
    fields: tuple[str, ...] = (
        *("public_id", "name", "uid", "plan", "labels", "is_platform", "metadata", "unknown_event_types"),
        *("retention_days", "archives_events", "created_at", "deleted_at"),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("subscriptions.add_tenant")

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm("subscriptions.change_tenant")

    def find_text(self, rows: QuerySet[Tenant], term: str) -> QuerySet[Tenant]:
        return rows.filter(pk__in=find_tenants(term)) | find_by_uid(rows, term)

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


@admin.register(Plan)
class PlanAdmin(AdminList):
    """Show, add and edit plans."""

    list_display = (
        *("name", "uid", "is_default", "events_per_month", "publish_rate", "max_endpoints", "max_subscriptions"),
        *(
            "max_subscription_bytes",
            "max_sources",
            "max_schedules",
            "max_event_bytes",
            "max_retention_days",
            "updated_at",
        ),
    )
    search_help_text = BY_ID_OR_UID
    form = PlanForm
    readonly_fields = ("public_id", "created_at", "updated_at")
    fields = (
        *("public_id", "name", "uid", "is_default", "events_per_month", "publish_rate", "max_endpoints"),
        *("max_subscriptions", "max_subscription_bytes", "max_sources", "max_schedules"),
        *("min_schedule_interval_seconds", "max_event_bytes", "max_retention_days"),
        *("created_at", "updated_at"),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("subscriptions.add_plan")

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm("subscriptions.change_plan")

    def save_model(self, request: HttpRequest, obj: Plan, form: Any, change: bool) -> None:
        fields = form.cleaned_data
        if change:
            plans.change_plan(obj, fields)
        else:
            obj.pk = plans.create_plan(**fields).pk


@admin.register(ApiKey)
class ApiKeyAdmin(AdminList):
    """Show, create and revoke API keys."""

    list_display = ("public_id", "key_prefix", "name", "tenant", "scopes", "last_used_at", "expires_at", "revoked_at")
    list_select_related = ("tenant",)
    form = KeyForm
    raw_id_fields = ("tenant",)
    actions = ("revoke",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("subscriptions.add_apikey")

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("subscriptions.change_apikey")

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        return self.list_display if obj else ("tenant", "name", "scopes", "expires_at")

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        created, text = keys.create_key(obj.tenant, obj.scopes, obj.name, obj.expires_at)
        obj.pk, obj.key_prefix = created.pk, created.key_prefix
        request.new_key = text  # type: ignore[attr-defined]

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None) -> HttpResponse:
        return show_once(self, request, "New API key", [(str(obj), request.new_key)])  # type: ignore[attr-defined]

    @admin.action(permissions=["revoke"], description="Revoke")
    def revoke(self, request: HttpRequest, selected: QuerySet[ApiKey]) -> None:
        """Revoke the selected keys."""
        run_for_each(self, request, selected, keys.revoke_key, "revoked")
