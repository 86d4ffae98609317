"""The pictures in memory: right when taken, taken anew when stale, and never believed for longer."""

import threading
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.utils import timezone
from standardwebhooks import Webhook

from subscriptions.endpoints.endpoints import delete_endpoint, disable, pause, rotate_secret
from subscriptions.models import Endpoint, Secret, Subscription
from subscriptions.routing import routes as module
from subscriptions.routing.routes import Route, Routes, Target, current_routes, routes, targets
from subscriptions.tenants.tenants import delete_tenant
from tests.factories import make_endpoint, make_secret, make_subscription, make_tenant
from webhooks.wire.ids import new_id
from webhooks.wire.patterns import Pattern
from webhooks.wire.signing.standard_webhooks import new_secret


def made(*wanted: tuple[str, ...], pattern: Pattern | None = None) -> tuple[Routes, list[UUID]]:
    """Routes with one endpoint for each of these lists of event types."""
    rows = [(Route(new_id(), new_id(), pattern=pattern), list(names)) for names in wanted]
    return Routes(1, rows), [route.endpoint_id for route, _ in rows]


def found(picture: Routes, event_type: str, document: dict[str, Any] | None = None) -> set[UUID]:
    return {route.endpoint_id for route in picture.find(event_type, lambda: document or {})}


class TestFinding:
    @pytest.mark.parametrize(
        ("name", "event_type", "wanted"),
        [
            ("*", "order.created", True),
            ("*", "x", True),
            ("order.created", "order.created", True),
            ("order.created", "order.created.late", False),
            ("order.created", "order", False),
            ("order.*", "order.created", True),
            ("order.*", "order.item.added", True),
            ("order.*", "order", False),
            ("order.*", "orders.created", False),
            ("order.*", "order.", True),
            ("order.item.*", "order.item.added", True),
            ("order.item.*", "order.created", False),
            ("Order.*", "order.created", False),
        ],
    )
    def test_a_name_a_prefix_or_everything(self, name: str, event_type: str, wanted: bool) -> None:
        picture, (endpoint,) = made((name,))
        assert found(picture, event_type) == ({endpoint} if wanted else set())

    @pytest.mark.parametrize(
        ("name", "wanted"),
        [("*", False), ("waypost.*", True), ("waypost.endpoint.*", True), ("waypost.endpoint.failing", True)],
    )
    def test_the_platforms_own_events_go_to_those_who_ask_for_them(self, name: str, wanted: bool) -> None:
        picture, (endpoint,) = made((name,))
        assert found(picture, "waypost.endpoint.failing") == ({endpoint} if wanted else set())
        assert picture.names("waypost.endpoint.failing") == wanted

    def test_the_pattern_narrows(self) -> None:
        picture, (endpoint,) = made(("*",), pattern=Pattern({"data": {"total": [{"numeric": [">", 100]}]}}))
        assert found(picture, "t", {"data": {"total": 101}}) == {endpoint}
        assert found(picture, "t", {"data": {"total": 100}}) == set()

    def test_an_endpoint_gets_an_event_once_by_its_oldest_subscription(self) -> None:
        endpoint_id = new_id()
        older, newer = (Route(new_id(), endpoint_id) for _ in range(2))
        picture = Routes(1, [(newer, ["a.b", "a.b"]), (older, ["*", "a.*"])])
        assert picture.find("a.b", dict) == [older]

    def test_the_event_is_looked_at_only_if_a_pattern_asks(self) -> None:
        picture, _ = made(("*",), ("a.*",))
        assert len(picture.find("a.b", lambda: pytest.fail("nobody asked"))) == 2


@pytest.mark.django_db
class TestRoutes:
    def test_they_are_what_the_tables_say(self) -> None:
        subscription = make_subscription(event_types=["a.*"])
        assert found(routes(subscription.tenant_id), "a.b") == {subscription.endpoint_id}

    def test_they_stay_in_memory(self, django_assert_num_queries: Any) -> None:
        tenant = make_subscription().tenant
        picture = routes(tenant.id)
        with django_assert_num_queries(0):
            assert routes(tenant.id) is picture

    def test_a_picture_known_to_be_stale_is_taken_anew(self) -> None:
        endpoint = make_endpoint()
        before = routes(endpoint.tenant_id)
        make_subscription(endpoint)
        after = routes(endpoint.tenant_id, other_than=before)
        assert (found(before, "t"), found(after, "t")) == (set(), {endpoint.id})
        assert after.version > before.version

    def test_the_current_ones_are_taken_anew_only_if_something_changed(self) -> None:
        endpoint = make_endpoint()
        before = routes(endpoint.tenant_id)
        assert current_routes(endpoint.tenant_id) is before
        make_subscription(endpoint)
        assert found(current_routes(endpoint.tenant_id), "t") == {endpoint.id}

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
    def test_no_change_goes_unnoticed(self, change: Any) -> None:
        subscription = make_subscription()
        tenant_id = subscription.tenant_id
        assert found(routes(tenant_id), "t")
        change(subscription)
        assert not found(current_routes(tenant_id), "t")

    def test_another_tenants_changes_do_not_matter(self) -> None:
        tenant_id = make_subscription().tenant_id
        picture = routes(tenant_id)
        make_subscription()
        assert current_routes(tenant_id) is picture

    def test_endpoints_that_are_not_active_are_owed_all_the_same(self) -> None:
        endpoint = make_subscription().endpoint
        pause(endpoint)
        assert found(current_routes(endpoint.tenant_id), "t") == {endpoint.id}


@pytest.mark.django_db(transaction=True)
class TestVersions:
    def test_what_was_rolled_back_is_not_taken_for_what_came_after(self) -> None:
        """A picture of a transaction's own, uncommitted changes must not carry a version that others will use."""
        tenant = make_tenant()
        phantom, real = make_endpoint(tenant), make_endpoint(tenant)
        with transaction.atomic():
            make_subscription(phantom)
            assert found(current_routes(tenant.id), "t") == {phantom.id}
            transaction.set_rollback(True)
        make_subscription(real)
        assert found(current_routes(tenant.id), "t") == {real.id}


def target(endpoint: Endpoint) -> Target:
    return targets([endpoint.id])[endpoint.id]


def signs_with(it: Target, secret: str) -> bool:
    """Is one of its signatures what the library of the standard makes with this secret?"""
    assert it.signer is not None
    expected = Webhook(secret).sign("msg_1", datetime.fromtimestamp(1, UTC), "{}")
    return expected in it.signer.sign("msg_1", 1, b"{}").split()


@pytest.mark.django_db
class TestTargets:
    def test_they_say_how_an_endpoint_wants_it_sent(self) -> None:
        endpoint = make_endpoint(
            url="https://example.com/h",
            headers={"x-team": "red"},
            timeout_ms=2_000,
            rate_limit=300,
            rate_period="minute",
            retry_plan=[1, 2],
        )
        it = target(endpoint)
        assert (it.url, it.headers, it.timeout_ms) == ("https://example.com/h", ("x-team: red",), 2_000)
        assert (it.rate_limit, it.retry_plan, it.max_in_flight) == (5, (1, 2), 64)
        assert it.is_active

    def test_they_stay_in_memory_at_the_cost_of_one_look_at_the_versions(self, django_assert_num_queries: Any) -> None:
        endpoints = [make_endpoint() for _ in range(3)]
        first = targets(it.id for it in endpoints)
        with django_assert_num_queries(1):
            assert targets(it.id for it in endpoints) == first

    def test_of_what_is_deleted_there_is_none(self) -> None:
        deleted, orphaned, live = make_endpoint(), make_endpoint(), make_endpoint()
        targets([deleted.id, orphaned.id, live.id])
        delete_endpoint(deleted)
        delete_tenant(orphaned.tenant)
        assert set(targets([deleted.id, orphaned.id, live.id, new_id()])) == {live.id}

    @pytest.mark.parametrize(("change", "state"), [(pause, "paused"), (lambda it: disable(it, "gone"), "disabled")])
    def test_a_change_of_state_is_seen(self, change: Any, state: str) -> None:
        endpoint = make_endpoint()
        target(endpoint)
        change(endpoint)
        assert (target(endpoint).state, target(endpoint).is_active) == (state, False)

    def test_a_change_in_the_tables_is_seen_whoever_made_it(self) -> None:
        endpoint = make_endpoint()
        target(endpoint)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE subscriptions_endpoint SET url = 'https://example.com/new'")
        assert target(endpoint).url == "https://example.com/new"

    def test_during_a_rotation_both_secrets_sign_and_afterwards_the_new_one(self) -> None:
        old = new_secret()
        endpoint = make_endpoint(secret=old)
        target(endpoint)
        new = rotate_secret(endpoint, overlap_seconds=3600)
        both = target(endpoint)
        assert signs_with(both, old)
        assert signs_with(both, new)
        Secret.objects.filter(endpoint=endpoint, expires_at__isnull=False).update(
            expires_at=timezone.now() - timedelta(seconds=1)
        )
        assert not signs_with(target(endpoint), old)
        assert signs_with(target(endpoint), new)

    def test_a_secret_stops_signing_when_its_time_comes_though_no_row_changes(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        old = new_secret()
        endpoint = make_endpoint(secret=old)
        rotate_secret(endpoint, overlap_seconds=60)
        assert signs_with(target(endpoint), old)
        later = timezone.now() + timedelta(seconds=61)
        monkeypatch.setattr(module.timezone, "now", lambda: later)
        assert not signs_with(target(endpoint), old)

    @pytest.mark.parametrize("ciphertext", [b"", b"broken"])
    def test_a_secret_that_cannot_be_read_means_that_nothing_is_signed(self, ciphertext: bytes) -> None:
        endpoint = make_endpoint()
        Secret.objects.filter(endpoint=endpoint).update(ciphertext=ciphertext)
        assert target(endpoint).signer is None

    def test_one_secret_that_cannot_be_read_silences_the_others(self) -> None:
        endpoint = make_endpoint()
        make_secret(endpoint, expires_at=timezone.now() + timedelta(hours=1))
        Secret.objects.filter(endpoint=endpoint, expires_at=None).update(ciphertext=b"broken")
        assert target(endpoint).signer is None

    def test_without_a_secret_nothing_is_signed(self) -> None:
        endpoint = make_endpoint()
        endpoint.secrets.all().delete()
        assert target(endpoint).signer is None

    def test_an_address_that_may_not_be_called_any_more_admits_nobody(self, settings: Any) -> None:
        endpoint = make_endpoint(url="http://example.com/")
        assert target(endpoint).admits is None

    def test_public_addresses_are_admitted_and_ours_are_not(self) -> None:
        admits = target(make_endpoint()).admits
        assert admits is not None
        assert admits("93.184.215.14")
        assert not any(admits(ip) for ip in ("127.0.0.1", "10.0.0.7", "169.254.169.254", "::1"))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("queries", [1, 2, 3])
def test_a_secret_that_changes_while_a_target_is_taken_is_not_missed(queries: int) -> None:
    endpoint = make_endpoint()
    seen = count(1)
    new: list[str] = []

    def rotate() -> None:
        new.append(rotate_secret(endpoint, overlap_seconds=0))
        connection.close()

    def rotate_after_some_queries(execute: Any, *query: Any) -> Any:
        result = execute(*query)
        if next(seen) == queries:
            somebody = threading.Thread(target=rotate)
            somebody.start()
            somebody.join()
        return result

    with connection.execute_wrapper(rotate_after_some_queries):
        target(endpoint)
    assert signs_with(target(endpoint), new[0])


def test_the_pictures_in_memory_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures: Any = module.OrderedDict()
    for number in range(10):
        module._keep(pictures, UUID(int=number), None, most=3)
    assert [key.int for key in pictures] == [7, 8, 9]


@pytest.mark.django_db
class TestTakingAnew:
    def test_a_row_that_did_not_change_is_not_read_again(self) -> None:
        endpoint = make_endpoint()
        first = make_subscription(endpoint, pattern={"data": {"x": [1]}})
        before = routes(endpoint.tenant_id)
        make_subscription(endpoint, pattern={"data": {"x": [2]}})
        after = routes(endpoint.tenant_id, other_than=before)
        assert after.kept[first.id] is before.kept[first.id]
        assert len(after.kept) == 2

    def test_a_row_that_changed_twice_is_read_again_each_time(self) -> None:
        subscription = make_subscription(pattern={"data": {"x": [1]}})
        for wanted in (2, 3):
            routes(subscription.tenant_id)
            Subscription.objects.filter(pk=subscription.pk).update(pattern={"data": {"x": [wanted]}})
            picture = current_routes(subscription.tenant_id)
            assert found(picture, "t", {"data": {"x": wanted}}) == {subscription.endpoint_id}
            assert found(picture, "t", {"data": {"x": wanted - 1}}) == set()

    def test_a_change_of_the_endpoint_is_a_change_of_its_routes(self) -> None:
        subscription = make_subscription()
        assert [it.route.ordering for it in routes(subscription.tenant_id).kept.values()] == [""]
        Endpoint.objects.filter(pk=subscription.endpoint_id).update(ordering="subject")
        assert [it.route.ordering for it in current_routes(subscription.tenant_id).kept.values()] == ["subject"]


@pytest.mark.django_db
def test_what_an_endpoint_knows_us_by_is_in_no_repr():
    endpoint = make_endpoint(auth={"type": "bearer", "token": "opens-it-all"}, headers={"x-key": "opens-it-all"})
    target = targets([endpoint.id])[endpoint.id]
    assert "authorization: Bearer opens-it-all" in target.headers
    assert "opens-it-all" not in repr(target)
