"""Show on the page of an endpoint how it is, in words and as charts, and what waits for it: only this app knows."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from delivery.admin.endpoints.endpoint_operations import EndpointWithTestAdmin
from delivery.admin.figures.panel import context_of
from delivery.figures.status import statuses
from subscriptions.models import Endpoint

admin.site.unregister(Endpoint)


@admin.register(Endpoint)
class EndpointWithFiguresAdmin(EndpointWithTestAdmin):
    """Show endpoints; the page of one begins with its status and its figures."""

    change_form_before_template = "delivery/admin/endpoint_figures.html"

    class Media:
        css = {"all": ["webhooks/charts.css"]}
        js = ("webhooks/zone.js",)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        endpoint = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if endpoint is not None and request.user.has_perm("delivery.view_delivery"):
            context |= context_of(request, endpoint.pk, is_endpoint=True)
            panel = context["panel"]
            context |= {
                "status": statuses([endpoint], panel.now, panel.zone)[endpoint.pk],
                "list_filter": f"&endpoint__id__exact={endpoint.pk}",
                "is_endpoint": True,
            }
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response
