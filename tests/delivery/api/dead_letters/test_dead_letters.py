"""Dead letters over REST."""

from datetime import UTC, datetime, timedelta

import pytest

from delivery.models import DeadLetter
from subscriptions.models import Tenant
from tests.delivery.factories import make_dead_letter, make_delivery, make_event
from tests.factories import make_client, make_endpoint, make_tenant
from tests.routes import ApiRoute, RouteCases

pytestmark = pytest.mark.django_db

LETTERS = "/api/v1/dead-letters/"


def make_letter(tenant: Tenant, **changes: object) -> DeadLetter:
    return make_dead_letter(make_delivery(make_event(tenant), make_endpoint(tenant)), **changes)


class TestDeadLetterRoutes(RouteCases):
    routes = [
        ApiRoute("get", "dead-letters/", "read", 200),
        ApiRoute("get", "dead-letters/?endpoint={endpoint}", "read", 200),
        ApiRoute("get", "dead-letters/{letter}/", "read", 200),
        ApiRoute("post", "dead-letters/{letter}/acknowledge/", "manage", 200, {}),
        ApiRoute("post", "dead-letters/{letter}/discard/", "manage", 200, {}),
    ]

    def make_ids(self, tenant: Tenant) -> dict[str, str]:
        letter = make_letter(tenant)
        return {"letter": letter.public_id, "endpoint": letter.endpoint.public_id}


def test_dead_letter_shows_the_delivery_and_the_cause() -> None:
    tenant = make_tenant()
    letter = make_letter(tenant, cause="transformation_failed", reason="no such path", last_status=None, last_error="")
    shown = make_client(tenant).get(f"{LETTERS}{letter.public_id}/").json()
    assert shown["delivery"] == letter.delivery.public_id
    assert shown["event"] == letter.delivery.event.public_id
    assert shown["type"] == "order.created"
    assert (shown["state"], shown["cause"], shown["reason"]) == ("open", "transformation_failed", "no such path")


def test_filters_select_dead_letters() -> None:
    now = datetime.now(UTC)
    tenant = make_tenant()
    exhausted = make_letter(tenant, failed_at=now - timedelta(days=2))
    gone = make_letter(tenant, cause="responded_410", closed_at=now)
    client = make_client(tenant)

    def found(**query: str) -> set[str]:
        return {row["id"] for row in client.get(LETTERS, query).json()["data"]}

    assert found() == {exhausted.public_id, gone.public_id}
    assert found(cause="responded_410") == found(state="replayed") == {gone.public_id}
    assert found(state="open") == {exhausted.public_id}
    assert found(endpoint=exhausted.endpoint.public_id) == {exhausted.public_id}
    assert found(since=(now - timedelta(days=1)).isoformat()) == {gone.public_id}
    assert found(until=(now - timedelta(days=1)).isoformat()) == {exhausted.public_id}
