"""Show endpoints and subscriptions; create, pause, enable and disable endpoints, and rotate their signing secrets.

Their settings are changed by ``endpoint_form``, other fields over the REST API.
"""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from subscriptions.admin.actions import confirm_action, is_confirmed, run_for_each, show_once
from subscriptions.admin.connector_form import connector_page
from subscriptions.admin.endpoint_form import MAY_ADD, MAY_CHANGE, add_page, settings_page
from subscriptions.admin.endpoint_masks import masks_page
from subscriptions.admin.endpoint_operations.edit import edit_page
from subscriptions.admin.endpoint_operations.operation import ENDPOINTS
from subscriptions.admin.endpoint_operations.states import DisableForm
from subscriptions.admin.endpoint_results import results_page, shown_results
from subscriptions.admin.endpoint_secrets import secrets_page
from subscriptions.admin.row_operations import OperationsAdmin
from subscriptions.connectors.catalogue import find_connector
from subscriptions.endpoints import state
from subscriptions.endpoints.destinations.registry import HTTP
from subscriptions.endpoints.signing_secrets import rotate_secret
from subscriptions.models import Endpoint, HttpSettings, SigningSecret, Subscription
from subscriptions.search import find_endpoints
from webhooks.kit.admin.display import NOTHING, Tone, column, first_of, json_block, link, pill, verb, when
from webhooks.kit.admin.filters import RelatedFilter
from webhooks.kit.admin.lists import AdminList
from webhooks.kit.rows import find_by_uid

TONES: dict[str, Tone] = {
    Endpoint.State.ACTIVE: "good",
    Endpoint.State.PAUSED: "warn",
    Endpoint.State.DISABLED: "bad",
    Endpoint.State.UNVERIFIED: "warn",
}


def _http(name: str) -> Callable[[Endpoint], Any]:
    """Return a column that shows a field of the HTTP settings; empty for endpoints of another kind."""
    column = HttpSettings._meta.get_field(name)

    @admin.display(description=column.verbose_name)  # type: ignore[union-attr]
    def show(endpoint: Endpoint) -> Any:
        settings = getattr(endpoint, "http", None)
        return getattr(settings, f"get_{name}_display", lambda: getattr(settings, name, None))()

    show.__name__ = name
    return show


@admin.register(Endpoint)
class EndpointAdmin(OperationsAdmin, AdminList):
    """Show endpoints and change their state."""

    empty_note = "An endpoint is where deliveries of a tenant go: a URL, or another system."
    operations = ENDPOINTS
    list_display = ("public_id", "name", "kind", "tenant_link", "state_pill", "disabled_reason", "state_changed")
    list_filter = (("tenant", RelatedFilter), "state", "disabled_reason", "kind")
    list_select_related = ("tenant", "http", "destination")
    search_help_text = "Search by ID (exact), URL, description or external ID (a part)"
    fieldsets = (
        (
            "General",
            {
                "fields": (
                    *(("public_id", "state_pill"), (_http("url"), "description"), ("tenant", "uid")),
                    *(("disabled_reason", "state_changed"), "disabled_note", "queue"),
                )
            },
        ),
        ("Destination", {"fields": (("kind", "address"), "destination_settings")}),
        ("Verification", {"fields": ((_http("verification"), "verified"), "allowed_rate")}),
        (
            "Request",
            {
                "fields": (
                    (_http("content_mode"), _http("reference_above_bytes")),
                    (_http("failure_pattern"), _http("connector")),
                    *(("header_names", _http("auth")), (_http("tls"), "secrets_list")),
                )
            },
        ),
        (
            "Limits and retries",
            {
                "fields": (
                    *(("timeout_ms", "max_in_flight"), ("rate_limit", "rate_period")),
                    *(("rate_burst", "retry_plan"), ("ordering", "latest_only")),
                )
            },
        ),
        ("Results", {"fields": ("named_endpoints",)}),
        ("Masks", {"fields": ("masks_list", "unmasked")}),
        ("Other", {"fields": ("metadata", ("created", "updated"), ("expires", "deleted"))}),
    )
    actions = ("pause", "enable", "disable", "rotate")

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.secrets)
        settings = self.admin_site.admin_view(self.settings)
        return [
            path("<uuid:pk>/edit/", self.admin_site.admin_view(self.edit), name="subscriptions_endpoint_edit"),
            path("<uuid:pk>/secrets/", page, name="subscriptions_endpoint_secrets"),
            path("<uuid:pk>/masks/", self.admin_site.admin_view(self.masks), name="subscriptions_endpoint_masks"),
            path("<uuid:pk>/settings/", settings, name="subscriptions_endpoint_settings"),
            path("<uuid:pk>/results/", self.admin_site.admin_view(self.results), name="subscriptions_endpoint_results"),
            *super().get_urls(),
        ]

    def get_fieldsets(self, request: HttpRequest, obj: Endpoint | None = None) -> Any:
        """Leave out the destination of an endpoint that is called by its URL: that is shown already."""
        sets = super().get_fieldsets(request, obj)
        return [it for it in sets if it[0] != "Destination" or obj is None or obj.kind != HTTP]

    def secrets(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Rotate the signing secret, or end an older one."""
        return secrets_page(self, request, pk)

    def edit(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Change URL, headers, timeout, rate, concurrency and retry plan."""
        return edit_page(self, request, pk)

    def masks(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Change the masks of an endpoint."""
        return masks_page(self, request, pk)

    def settings(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Change the settings of an endpoint that is not called by its URL."""
        return settings_page(self, request, pk)

    def results(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Choose the endpoints that get the results."""
        return results_page(self, request, pk)

    def find_text(self, rows: QuerySet[Endpoint], term: str) -> QuerySet[Endpoint]:
        return rows.filter(pk__in=find_endpoints(term)) | find_by_uid(rows, term)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        connector = find_connector(request.GET.get("connector", ""))
        return add_page(self, request) if connector is None else connector_page(self, request, connector)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(MAY_ADD)

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("subscriptions.change_endpoint")

    def has_rotate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("subscriptions.add_signingsecret")

    address = column("Address", lambda endpoint: endpoint.address)
    name = column("Endpoint", lambda endpoint: link(endpoint, str(endpoint)))
    tenant_link = column("Tenant", lambda endpoint: link(endpoint.tenant, endpoint.tenant.name))
    state_pill = column(
        "State",
        lambda endpoint: pill("deleted", "bad") if endpoint.deleted_at else pill(endpoint.state, TONES[endpoint.state]),
    )
    state_changed = column("State changed", lambda endpoint: when(endpoint.state_changed_at))
    created = column("Created", lambda row: when(row.created_at))
    updated = column("Updated", lambda row: when(row.updated_at))
    expires = column("Expires", lambda row: when(row.expires_at))
    verified = column(
        "Verified",
        lambda row: when(getattr(getattr(row, "http", None), "verified_at", None)),
    )
    deleted = column("Deleted", lambda endpoint: when(endpoint.deleted_at))

    @admin.display(description="Settings (credentials hidden)")
    def destination_settings(self, endpoint: Endpoint) -> str:
        row = getattr(endpoint, "destination", None)
        if row is None:
            return NOTHING
        lines = ((name, str(value)) for name, value in row.settings.items())
        listed = format_html_join("", "<div>{}: {}</div>", lines)
        page = reverse("admin:subscriptions_endpoint_settings", args=[endpoint.pk])
        return format_html("{}{}", listed, verb(MAY_CHANGE, page, "Change"))

    named_endpoints = column("Invocation records go to", shown_results)

    @admin.display(description="Masks of its own")
    def masks_list(self, endpoint: Endpoint) -> str:
        listed = format_html_join("", "<div>{}: {}</div>", ((it["path"], it["action"]) for it in endpoint.masks))
        page = reverse("admin:subscriptions_endpoint_masks", args=[endpoint.pk])
        return format_html("{}{}", listed, verb(MAY_CHANGE, page, "Change"))

    @admin.display(description="Custom headers")
    def header_names(self, endpoint: Endpoint) -> str:
        settings = getattr(endpoint, "http", None)
        return NOTHING if settings is None else ", ".join(settings.headers) or NOTHING

    @admin.display(description="Signing secrets")
    def secrets_list(self, endpoint: Endpoint) -> str:
        lines = ((_describe(secret),) for secret in endpoint.secrets.order_by("-id"))
        listed = format_html_join("", "<div>{}</div>", lines)
        page = reverse("admin:subscriptions_endpoint_secrets", args=[endpoint.pk])
        return format_html("{}{}", listed, verb("subscriptions.add_signingsecret", page, "Rotate or end"))

    @admin.display(description="Queue")
    def queue(self, endpoint: Endpoint) -> SafeString | str:
        lane = getattr(endpoint, "lane", None)  # the provider's queue, without importing it
        return NOTHING if lane is None else link(lane, "Open queue")

    @admin.action(permissions=["operate"], description="Pause")
    def pause(self, request: HttpRequest, selected: QuerySet[Endpoint]) -> None:
        """Hold back the deliveries of the selected endpoints."""
        run_for_each(self, request, selected, state.pause, "paused")

    @admin.action(permissions=["operate"], description="Resume or enable")
    def enable(self, request: HttpRequest, selected: QuerySet[Endpoint]) -> None:
        """Resume the deliveries of the selected endpoints."""
        run_for_each(self, request, selected, lambda row: state.enable(row, by_operator=True), "enabled")

    @admin.action(permissions=["operate"], description="Disable (operator lock)")
    def disable(self, request: HttpRequest, selected: QuerySet[Endpoint]) -> HttpResponse | None:
        """Ask why, then disable the selected endpoints so that their owners cannot enable them."""
        form = DisableForm(request.POST if is_confirmed(request) else None)
        if not form.is_valid():
            note = (
                "Nothing is sent until an operator enables them. Deliveries wait up to seven days, then they are dead."
            )
            return confirm_action(self, request, selected, "Disable", note, form)
        reason, text = Endpoint.DisabledReason.OPERATOR, form.cleaned_data["reason"]
        run_for_each(self, request, selected, lambda row: state.disable(row, reason, text), f"disabled: {text}")
        return None

    @admin.action(permissions=["rotate"], description="Rotate signing secret")
    def rotate(self, request: HttpRequest, selected: QuerySet[Endpoint]) -> HttpResponse:
        """Ask, then rotate the signing secrets and show the new ones once."""
        if not is_confirmed(request):
            note = "Both secrets sign for 24 h."
            return confirm_action(self, request, selected, "Rotate signing secret", note, is_destructive=False)
        texts: list[tuple[str, str]] = []
        run_for_each(
            self, request, selected, lambda row: texts.append((str(row), rotate_secret(row)[1])), "secret rotated"
        )
        return show_once(self, request, "New signing secrets", texts)


@admin.register(Subscription)
class SubscriptionAdmin(AdminList):
    """Show subscriptions."""

    empty_note = "A subscription says which events an endpoint gets. Without one, nothing is delivered to it."
    list_display = ("public_id", "first_types", "receiver", "tenant_link", "active", "created")
    list_filter = (("tenant", RelatedFilter), ("endpoint", RelatedFilter), "active")
    list_select_related = ("tenant", "endpoint__http", "endpoint__destination")
    search_columns = {"sub": "pk", "ep": "endpoint_id", "tnt": "tenant_id"}
    search_help_text = "Search by ID of a subscription, an endpoint or a tenant, or by external ID (exact)"
    fields = (
        ("public_id", "active"),
        *(("tenant", "receiver"), ("uid", "grant")),
        *("types", "pattern_text", "transformer_text", "description"),
        ("created", "updated"),
    )

    types = column("Event types", lambda row: ", ".join(row.event_types))
    first_types = column("Event types", lambda row: first_of(row.event_types))
    pattern_text = column("Pattern", lambda row: json_block(row.pattern, "None: every event of these types"))
    transformer_text = column("Transformer", lambda row: json_block(row.transformer, "None: the event as it is"))
    tenant_link = column("Tenant", lambda row: link(row.tenant, row.tenant.name))
    created = column("Created", lambda row: when(row.created_at))
    updated = column("Updated", lambda row: when(row.updated_at))

    @admin.display(description="Endpoint")
    def receiver(self, subscription: Subscription) -> SafeString | str:
        """Show the endpoint, or the labels of the endpoints."""
        if subscription.endpoint is not None:
            return link(subscription.endpoint, str(subscription.endpoint))
        labels = subscription.endpoint_labels or {}
        return ", ".join(f"{name}: {value}" for name, value in labels.items()) or "every endpoint"


def _describe(secret: SigningSecret) -> SafeString:
    end = format_html("expires {}", when(secret.expires_at)) if secret.expires_at else "current"
    return format_html("{}, created {}, {}", secret.public_key or secret.signing, when(secret.created_at), end)
