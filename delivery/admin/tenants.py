"""Show the limits of a tenant on its page, with what is used of each: only this app knows the published events."""

from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from delivery.reading.tenant_limits import TenantLimit, limits_of
from subscriptions.admin.accounts import TenantAdmin
from subscriptions.models import Tenant
from webhooks.kit.admin.display import NOTHING

admin.site.unregister(Tenant)


@admin.register(Tenant)
class TenantWithLimitsAdmin(TenantAdmin):
    """Show, add and edit tenants; the page of a tenant lists its limits."""

    readonly_fields = (*TenantAdmin.readonly_fields, "limits")
    fields = (*TenantAdmin.fields, "limits")

    @admin.display(description="Limits")
    def limits(self, tenant: Tenant) -> SafeString | str:
        if tenant._state.adding:
            return NOTHING
        rows = format_html_join("", "<tr>" + "<td>{}</td>" * 4 + "</tr>", map(_cells, limits_of(tenant)))
        head = "<tr><th>Limit</th><th>Used</th><th>Allowed</th><th>What it counts</th></tr>"
        return format_html(f'<table class="wp-table">{head}{{}}</table>', rows)


def _cells(limit: TenantLimit) -> tuple[str, str, str, str]:
    return (limit.name, _number(limit.used, NOTHING), _number(limit.allowed, "no limit"), limit.description)


def _number(value: int | None, instead: str) -> str:
    return instead if value is None else f"{value:,}"
