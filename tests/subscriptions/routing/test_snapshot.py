"""The snapshot of a tenant's route table: cached, current after every change, and rebuilt from changed rows only."""

from typing import Any
from uuid import UUID

import pytest
from django.db import transaction

from subscriptions.endpoints.endpoints import delete_endpoint
from subscriptions.endpoints.state import pause
from subscriptions.models import Endpoint, Subscription
from subscriptions.routing.route_table import RouteTable
from subscriptions.routing.snapshot import current_route_table, route_table
from subscriptions.tenants.tenants import delete_tenant
from tests.factories import make_endpoint, make_subscription, make_tenant


def found(table: RouteTable, event_type: str, document: dict[str, Any] | None = None) -> set[UUID]:
    return {route.endpoint_id for route in table.find(event_type, lambda: document or {})}


@pytest.mark.django_db
class TestRouteTable:
    def test_route_table_has_the_subscriptions_of_the_tenant(self) -> None:
        subscription = make_subscription(event_types=["a.*"])
        assert found(route_table(subscription.tenant_id), "a.b") == {subscription.endpoint_id}

    def test_route_table_is_cached_without_queries(self, django_assert_num_queries: Any) -> None:
        tenant = make_subscription().tenant
        table = route_table(tenant.id)
        with django_assert_num_queries(0):
            assert route_table(tenant.id) is table

    def test_stale_route_table_is_built_again(self) -> None:
        endpoint = make_endpoint()
        before = route_table(endpoint.tenant_id)
        make_subscription(endpoint)
        after = route_table(endpoint.tenant_id, stale=before)
        assert (found(before, "t"), found(after, "t")) == (set(), {endpoint.id})
        assert after.version > before.version

    def test_current_route_table_is_built_again_only_after_a_change(self) -> None:
        endpoint = make_endpoint()
        before = route_table(endpoint.tenant_id)
        assert current_route_table(endpoint.tenant_id) is before
        make_subscription(endpoint)
        assert found(current_route_table(endpoint.tenant_id), "t") == {endpoint.id}

    @pytest.mark.parametrize(
        "change",
        [
            lambda it: it.delete(),
            lambda it: Subscription.objects.filter(pk=it.pk).update(active=False),
            lambda it: Subscription.objects.filter(pk=it.pk).update(event_types=["other"]),
            lambda it: Subscription.objects.filter(pk=it.pk).update(pattern={"subject": ["other"]}),
            lambda it: delete_endpoint(it.endpoint),
            lambda it: delete_tenant(it.tenant),
        ],
        ids=["deleted", "switched off", "other types", "other pattern", "endpoint deleted", "tenant deleted"],
    )
    def test_current_route_table_reflects_every_kind_of_change(self, change: Any) -> None:
        subscription = make_subscription()
        tenant_id = subscription.tenant_id
        assert found(route_table(tenant_id), "t")
        change(subscription)
        assert not found(current_route_table(tenant_id), "t")

    def test_change_of_another_tenant_keeps_the_snapshot(self) -> None:
        tenant_id = make_subscription().tenant_id
        table = route_table(tenant_id)
        make_subscription()
        assert current_route_table(tenant_id) is table

    def test_paused_endpoint_stays_in_the_route_table(self) -> None:
        endpoint = make_subscription().endpoint
        pause(endpoint)
        assert found(current_route_table(endpoint.tenant_id), "t") == {endpoint.id}


@pytest.mark.django_db(transaction=True)
class TestVersions:
    def test_version_of_a_rolled_back_change_is_not_used_again(self) -> None:
        """A route table of uncommitted changes must not carry a version that a later commit gets."""
        tenant = make_tenant()
        phantom, real = make_endpoint(tenant), make_endpoint(tenant)
        with transaction.atomic():
            make_subscription(phantom)
            assert found(current_route_table(tenant.id), "t") == {phantom.id}
            transaction.set_rollback(True)
        make_subscription(real)
        assert found(current_route_table(tenant.id), "t") == {real.id}


@pytest.mark.django_db
class TestRebuilding:
    def test_unchanged_row_keeps_its_entry(self) -> None:
        endpoint = make_endpoint()
        first = make_subscription(endpoint, pattern={"data": {"x": [1]}})
        before = route_table(endpoint.tenant_id)
        make_subscription(endpoint, pattern={"data": {"x": [2]}})
        after = route_table(endpoint.tenant_id, stale=before)
        assert after.entries[first.id] is before.entries[first.id]
        assert len(after.entries) == 2

    def test_entry_counts_the_bytes_of_its_pattern_and_transformer(self) -> None:
        endpoint = make_endpoint()
        small = make_subscription(endpoint)
        large = make_subscription(
            endpoint, pattern={"x": ["v" * 5_000]}, transformer={"template": '"' + "t" * 7_000 + '"'}
        )
        entries = route_table(endpoint.tenant_id).entries
        assert entries[large.id].size - entries[small.id].size > 12_000

    def test_row_that_changes_twice_is_read_each_time(self) -> None:
        subscription = make_subscription(pattern={"data": {"x": [1]}})
        for expected in (2, 3):
            route_table(subscription.tenant_id)
            Subscription.objects.filter(pk=subscription.pk).update(pattern={"data": {"x": [expected]}})
            table = current_route_table(subscription.tenant_id)
            assert found(table, "t", {"data": {"x": expected}}) == {subscription.endpoint_id}
            assert found(table, "t", {"data": {"x": expected - 1}}) == set()

    def test_change_of_the_endpoint_changes_its_routes(self) -> None:
        subscription = make_subscription()
        assert [it.route.ordering for it in route_table(subscription.tenant_id).entries.values()] == [""]
        Endpoint.objects.filter(pk=subscription.endpoint_id).update(ordering="subject")
        assert [it.route.ordering for it in current_route_table(subscription.tenant_id).entries.values()] == ["subject"]
