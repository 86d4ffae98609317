"""Endpoints and subscriptions: they are paused and resumed here, and secrets are rotated.

What an endpoint is (its address above all) is changed over REST, where an address is looked up outside of any
transaction.
"""

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from subscriptions.admin.browsing import Browsing
from subscriptions.endpoints import state
from subscriptions.endpoints.signing_secrets import rotate_secret
from subscriptions.models import Endpoint, SigningSecret, Subscription

__all__ = ["EndpointAdmin", "SubscriptionAdmin"]


@admin.register(Endpoint)
class EndpointAdmin(Browsing):
    list_display = ("public_id", "url", "tenant", "standing", "disabled_reason", "state_changed_at", "deleted_at")
    list_filter = ("state", "disabled_reason")
    list_select_related = ("tenant",)
    fields = (
        *("public_id", "tenant", "uid", "url", "description", "state", "disabled_reason", "state_changed_at"),
        *("verification", "verified_at", "allowed_rate"),
        *(
            "header_names",
            "content_mode",
            "reference_above_bytes",
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
        return request.user.has_perm("subscriptions.add_signingsecret")

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
        self.each(request, chosen, state.pause, "paused")

    @admin.action(permissions=["operate"], description="Resume or enable")
    def enable(self, request: HttpRequest, chosen: QuerySet[Endpoint]) -> None:
        self.each(request, chosen, lambda row: state.enable(row, by_operator=True), "enabled")

    @admin.action(permissions=["operate"], description="Disable: its owner cannot enable it again")
    def disable(self, request: HttpRequest, chosen: QuerySet[Endpoint]) -> None:
        reason = Endpoint.DisabledReason.OPERATOR
        self.each(request, chosen, lambda row: state.disable(row, reason), "disabled")

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
        self.each(request, chosen, lambda row: shown.append((str(row), rotate_secret(row))), "secret rotated")
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


def _said(secret: SigningSecret) -> str:
    end = f"until {secret.expires_at:%Y-%m-%d %H:%M}" if secret.expires_at else "current"
    return f"{secret.public_key or secret.signing} of {secret.created_at:%Y-%m-%d %H:%M}, {end}"
