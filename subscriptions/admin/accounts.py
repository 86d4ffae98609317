"""Tenants, plans and keys. A key is shown on the page that answers its making, and nowhere else."""

from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse

from subscriptions.admin.browsing import Browsing
from subscriptions.admin.forms import KeyForm, PlanForm, TenantForm
from subscriptions.models import ApiKey, Plan, Tenant
from subscriptions.tenants import keys, plans

__all__ = ["ApiKeyAdmin", "PlanAdmin", "TenantAdmin"]


@admin.register(Tenant)
class TenantAdmin(Browsing):
    list_display = ("public_id", "name", "uid", "plan", "retention_days", "created_at", "deleted_at")
    list_select_related = ("plan",)
    form = TenantForm
    readonly_fields = ("public_id", "created_at", "deleted_at")
    fields = ("public_id", "name", "uid", "plan", "metadata", "retention_days", "created_at", "deleted_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("subscriptions.add_tenant")

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm("subscriptions.change_tenant")


@admin.register(Plan)
class PlanAdmin(Browsing):
    list_display = (
        *("name", "uid", "is_default", "events_per_month", "publish_rate", "max_endpoints", "max_event_bytes"),
        *("max_retention_days", "updated_at"),
    )
    form = PlanForm
    readonly_fields = ("public_id", "created_at", "updated_at")
    fields = (
        *("public_id", "name", "uid", "is_default", "events_per_month", "publish_rate", "max_endpoints"),
        *("max_event_bytes", "max_retention_days", "created_at", "updated_at"),
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
class ApiKeyAdmin(Browsing):
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
        made, text = keys.create_key(obj.tenant, obj.scopes, obj.name, obj.expires_at)
        obj.pk, obj.key_prefix = made.pk, made.key_prefix
        request.new_key = text  # type: ignore[attr-defined]

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None) -> HttpResponse:
        return self.shown_once(request, "New API key", [(str(obj), request.new_key)])  # type: ignore[attr-defined]

    @admin.action(permissions=["revoke"], description="Revoke")
    def revoke(self, request: HttpRequest, chosen: QuerySet[ApiKey]) -> None:
        self.each(request, chosen, keys.revoke_key, "revoked")
