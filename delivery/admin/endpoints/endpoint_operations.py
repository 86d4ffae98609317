"""Register the provider's operations on an endpoint: retry what waits, test, and the ways to its rows."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.urls import path, reverse
from django.utils.http import urlencode

from delivery.admin.endpoints.test_page import MAY_TEST, TestPage
from delivery.admin.replaying.replay_page import MAY_REPLAY
from delivery.lifecycle.retry_endpoint import retry_endpoint
from subscriptions.admin.endpoint_operations.operation import CHANGE, EndpointOperation, register
from subscriptions.admin.endpoints import EndpointAdmin
from subscriptions.models import Endpoint

MAY_VIEW = "delivery.view_delivery"
MAY_VIEW_LETTERS = "delivery.view_deadletter"

admin.site.unregister(Endpoint)


@admin.register(Endpoint)
class EndpointWithTestAdmin(EndpointAdmin):
    """Show endpoints; the page of one leads to its deliveries, tests it and retries what waits for it."""

    def get_urls(self) -> list[Any]:
        page = self.admin_site.admin_view(TestPage(self).view)
        return [path("<uuid:pk>/test/", page, name="subscriptions_endpoint_test"), *super().get_urls()]


def _retry(endpoint: Endpoint, _fields: Mapping[str, Any]) -> str:
    retry_endpoint(endpoint)
    return "retries are due now, and an open circuit is probed"


def _listed(table: str, **filters: str) -> Any:
    """Return a function that returns the path of a list of an endpoint's rows."""

    def path_of(endpoint: Endpoint) -> str:
        query = {"endpoint__id__exact": str(endpoint.pk), **filters}
        return f"{reverse(f'admin:delivery_{table}_changelist')}?{urlencode(query)}"

    return path_of


def _replay_path(endpoint: Endpoint) -> str:
    query = urlencode({"tenant": endpoint.tenant.public_id, "endpoint": endpoint.public_id})
    return f"{reverse('admin:delivery_deadletter_replay')}?{query}"


register(
    EndpointOperation(
        "retry",
        "Retry all pending now",
        "The endpoint works again: all its retries become due, and an open circuit sends a probe at once. Rate limit "
        "and order still apply.",
        _retry,
        lambda endpoint: endpoint.state == Endpoint.State.ACTIVE,
        permission=CHANGE,
    ),
    EndpointOperation(
        "test",
        "Test…",
        permission=MAY_TEST,
        path=lambda endpoint: reverse("admin:subscriptions_endpoint_test", args=[endpoint.pk]),
    ),
    EndpointOperation("deliveries", "Deliveries", permission=MAY_VIEW, path=_listed("delivery")),
    EndpointOperation(
        "dead-letters", "Dead letters", permission=MAY_VIEW_LETTERS, path=_listed("deadletter", state="open")
    ),
    EndpointOperation(
        "replay",
        "Replay dead letters…",
        permission=MAY_REPLAY,
        applies=lambda endpoint: endpoint.state != Endpoint.State.DISABLED,
        path=_replay_path,
    ),
)
