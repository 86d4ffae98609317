"""Show on the page of a tenant its figures, the endpoints that need attention, and its limits: only this app knows."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from delivery.admin.figures.panel import context_of
from delivery.figures.status import statuses
from delivery.figures.worst import endpoints_of
from delivery.reading.tenant_limits import TenantLimit, limits_of
from subscriptions.admin.accounts import TenantAdmin
from subscriptions.models import Tenant
from webhooks.kit.admin.display import NOTHING

ROW = '<tr><td>{}</td><td class="wp-number">{}</td><td class="wp-number">{}</td><td>{}</td></tr>'

admin.site.unregister(Tenant)


@admin.register(Tenant)
class TenantWithFiguresAdmin(TenantAdmin):
    """Show, add and edit tenants; the page of one begins with its figures and lists its limits."""

    readonly_fields = (*TenantAdmin.readonly_fields, "limits")
    fields = (*TenantAdmin.fields, "limits")
    change_form_before_template = "delivery/admin/tenant_figures.html"

    class Media:
        css = {"all": ["webhooks/charts.css"]}
        js = ("webhooks/zone.js",)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        tenant = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if tenant is not None and request.user.has_perm("delivery.view_delivery"):
            context |= context_of(request, tenant.pk)
            panel = context["panel"]
            found = endpoints_of(tenant.pk, panel.period, panel.axis.begins_at, panel.now)
            said = statuses([endpoint for endpoint, _ in found], panel.now, panel.zone)
            context |= {
                "endpoints": [(endpoint, figures, said[endpoint.pk]) for endpoint, figures in found],
                "list_filter": f"&tenant__id__exact={tenant.pk}",
            }
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    @admin.display(description="Limits")
    def limits(self, tenant: Tenant) -> SafeString | str:
        if tenant._state.adding:
            return NOTHING
        rows = format_html_join("", ROW, map(_cells, limits_of(tenant)))
        head = "<tr><th>Limit</th><th>Used</th><th>Allowed</th><th>What it counts</th></tr>"
        return format_html(f'<table class="wp-table">{head}{{}}</table>', rows)


def _cells(limit: TenantLimit) -> tuple[str, str, str, str]:
    return (limit.name, _number(limit.used, NOTHING), _number(limit.allowed, "no limit"), limit.description)


def _number(value: int | None, instead: str) -> str:
    return instead if value is None else f"{value:,}"
