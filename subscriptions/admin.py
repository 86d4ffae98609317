"""The operators' pages of the management side: they read, pause and resume, hand out keys, and rotate secrets.

A secret or a key is shown on the page that answers its making, which no browser keeps, and nowhere else. What
an endpoint is (its address above all) is changed over REST, where an address is looked up outside of any
transaction. Nothing here is deleted: deliveries would lose their history.
"""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

from subscriptions import endpoints, keys, limits
from subscriptions.errors import Refused
from subscriptions.forms import KeyForm, PlanForm, TenantForm
from subscriptions.models import ApiKey, Endpoint, Plan, Secret, Subscription, Tenant
from subscriptions.rules import is_uid
from webhooks.protocol.ids import parse


class Browsing(ModelAdmin):  # type: ignore[misc]
    """Rows nobody deletes, newest first and uncounted; the search finds one by its id or uid."""

    ordering = ("-id",)
    sortable_by = ()
    search_fields = ("id",)  # opens the search box; get_search_results decides
    search_help_text = "An id or a uid, whole."
    paginator = InfinitePaginator
    show_full_result_count = False
    list_per_page = list_max_show_all = 50
    list_disable_select_all = True

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        return (by_ref(queryset, term) if term else queryset), False

    @admin.display(description="Id")
    def public_id(self, row: Any) -> str:
        return str(row.public_id)

    def shown_once(self, request: HttpRequest, title: str, shown: list[tuple[str, str]]) -> HttpResponse:
        """The one page with these texts."""
        context = {**self.admin_site.each_context(request), "title": title, "shown": shown, "opts": self.opts}
        answer = TemplateResponse(request, "subscriptions/shown_once.html", context)
        answer["Cache-Control"] = "no-store"
        return answer

    def each(self, request: HttpRequest, chosen: QuerySet[Any], verb: Any, done: str) -> None:
        """Call the verb for each row, write down who did, and say what it refused."""
        for row in chosen:
            try:
                verb(row)
            except Refused as error:
                self.message_user(request, f"{row}: {error}", messages.ERROR)
            except row.DoesNotExist:
                self.message_user(request, f"{row} is deleted.", messages.ERROR)
            else:
                self.log_change(request, row, done)
                self.message_user(request, f"{row}: {done}.", messages.SUCCESS)


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
            limits.change_plan(obj, fields)
        else:
            obj.pk = limits.create_plan(**fields).pk


@admin.register(ApiKey)
class ApiKeyAdmin(Browsing):
    list_display = ("public_id", "hint", "name", "tenant", "scopes", "last_used_at", "expires_at", "revoked_at")
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
        made, text = keys.new_key(obj.tenant, obj.scopes, obj.name, obj.expires_at)
        obj.pk, obj.hint = made.pk, made.hint
        request.new_key = text  # type: ignore[attr-defined]

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None) -> HttpResponse:
        return self.shown_once(request, "New API key", [(str(obj), request.new_key)])  # type: ignore[attr-defined]

    @admin.action(permissions=["revoke"], description="Revoke")
    def revoke(self, request: HttpRequest, chosen: QuerySet[ApiKey]) -> None:
        self.each(request, chosen, keys.revoke, "revoked")


@admin.register(Endpoint)
class EndpointAdmin(Browsing):
    list_display = ("public_id", "url", "tenant", "standing", "disabled_reason", "state_changed_at", "deleted_at")
    list_filter = ("state", "disabled_reason")
    list_select_related = ("tenant",)
    fields = (
        *("public_id", "tenant", "uid", "url", "description", "state", "disabled_reason", "state_changed_at"),
        *("consent", "consented_at", "allowed_rate"),
        *(
            "header_names",
            "content_mode",
            "thin_above",
            "timeout_ms",
            "max_in_flight",
            *("rate_limit", "rate_period", "rate_burst"),
            "ordering",
            "retry_plan",
        ),
        *("auth", "tls", "metadata"),
        *("secrets_shown", "created_at", "updated_at", "deleted_at"),
    )
    actions = ("pause", "enable", "disable", "rotate")

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("subscriptions.change_endpoint")

    def has_rotate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("subscriptions.add_secret")

    @admin.display(description="State")
    def standing(self, endpoint: Endpoint) -> str:
        """In a word; the endpoint's page says what it means."""
        return endpoint.state.capitalize()

    @admin.display(description="Headers of its own")
    def header_names(self, endpoint: Endpoint) -> str:
        """Their values are often credentials."""
        return ", ".join(endpoint.headers) or "-"

    @admin.display(description="Secrets")
    def secrets_shown(self, endpoint: Endpoint) -> str:
        return "; ".join(map(_said, endpoint.secrets.order_by("-id"))) or "-"

    @admin.action(permissions=["operate"], description="Pause: deliveries wait")
    def pause(self, request: HttpRequest, chosen: QuerySet[Endpoint]) -> None:
        self.each(request, chosen, endpoints.pause, "paused")

    @admin.action(permissions=["operate"], description="Resume or enable")
    def enable(self, request: HttpRequest, chosen: QuerySet[Endpoint]) -> None:
        self.each(request, chosen, lambda row: endpoints.enable(row, by_operator=True), "enabled")

    @admin.action(permissions=["operate"], description="Disable: its owner cannot enable it again")
    def disable(self, request: HttpRequest, chosen: QuerySet[Endpoint]) -> None:
        reason = Endpoint.DisabledReason.OPERATOR
        self.each(request, chosen, lambda row: endpoints.disable(row, reason), "disabled")

    @admin.action(permissions=["rotate"], description="Rotate the secret")
    def rotate(self, request: HttpRequest, chosen: QuerySet[Endpoint]) -> HttpResponse:
        """Ask first; then rotate with a day of overlap, and show the new secrets once."""
        if request.POST.get("confirmed") != "yes":
            context = {
                **self.admin_site.each_context(request),
                "title": "Rotate the secret",
                "chosen": chosen,
                "checkbox": ACTION_CHECKBOX_NAME,
                "back": request.get_full_path(),
            }
            return TemplateResponse(request, "subscriptions/confirm_rotation.html", context)
        shown: list[tuple[str, str]] = []
        self.each(request, chosen, lambda row: shown.append((str(row), endpoints.rotate_secret(row))), "secret rotated")
        return self.shown_once(request, "New secrets", shown)


@admin.register(Subscription)
class SubscriptionAdmin(Browsing):
    list_display = ("public_id", "tenant", "endpoint", "event_types", "active", "created_at")
    list_filter = ("active",)
    list_select_related = ("tenant", "endpoint")
    fields = (
        *("public_id", "tenant", "endpoint", "event_types", "pattern", "transformer", "description", "active"),
        *("created_at", "updated_at"),
    )


def _said(secret: Secret) -> str:
    end = f"until {secret.expires_at:%Y-%m-%d %H:%M}" if secret.expires_at else "current"
    return f"{secret.public_key or secret.signing} of {secret.created_at:%Y-%m-%d %H:%M}, {end}"


def by_ref(rows: QuerySet[Any], ref: str) -> QuerySet[Any]:
    """The rows with this id or, where there is one, this uid."""
    try:
        return rows.filter(pk=parse(rows.model.prefix, ref))
    except ValueError:
        return rows.filter(uid=ref) if hasattr(rows.model, "uid") and is_uid(ref) else rows.none()
