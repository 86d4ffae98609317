"""Masked events: one form in the store and on the wire, duplicates recognised, originals for cleared endpoints only."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from delivery.fan_out import deferred
from delivery.lifecycle.erase import erase
from delivery.models import DeadLetter, Delivery, Event
from delivery.publishing.publisher import publish
from delivery.publishing.results import PublishError
from delivery.reading.requests.sent_request import next_request
from delivery.replaying.replays import ReplayFilter, run_slices, start
from delivery.single_attempts.test_delivery import send_test
from delivery.sql.claim import ClaimRequest, claim_deliveries
from subscriptions.event_types import registry
from subscriptions.masking import keys
from subscriptions.models import Endpoint, Tenant
from tests.delivery.stored_text import stored_text
from tests.factories import make_endpoint, make_event_type, make_subscription, make_tenant
from webhooks.kit.sql import database_now
from webhooks.wire.ids import new_id

pytestmark = pytest.mark.django_db

SECRET = "ada@example.com"
EVENT = {"type": "user.created", "id": "1", "source": "/u", "time": "2030-01-01T00:00:00Z", "data": {"email": SECRET}}
MASK = [{"path": "$.data.email", "action": "mask"}]
HASH = [{"path": "$.data.email", "action": "hash"}]
ENCRYPT = [{"path": "$.data.email", "action": "encrypt"}]


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


@pytest.fixture(autouse=True)
def no_cached_secrets() -> Iterator[None]:
    yield
    keys._secrets.clear()


def sent(endpoint: Endpoint) -> list[Any]:
    """Claim what is due as a drain does; return the events."""
    Delivery.objects.filter(state="pending").update(next_attempt_at=database_now() - timedelta(hours=1))
    request = ClaimRequest(endpoint.id, 10, database_now().replace(year=2000), 60.0)
    return [json.loads(it.body) for it in claim_deliveries(new_id(), [request])]


@pytest.mark.parametrize("masks", [MASK, HASH, ENCRYPT, [{"path": "$.data.email", "action": "remove"}]])
def test_masked_event_is_stored_and_sent_in_one_form(tenant: Tenant, masks: list[Any]) -> None:
    make_event_type(tenant, name="user.created", masks=masks)
    endpoint = make_endpoint(tenant)
    make_subscription(endpoint)
    publish(tenant, [EVENT])
    assert SECRET not in stored_text()
    assert sent(endpoint) == [json.loads(bytes(Event.objects.get().body))]


@pytest.mark.parametrize("masks", [MASK, ENCRYPT])
def test_same_event_twice_is_a_duplicate_though_masked_and_another_one_a_conflict(
    tenant: Tenant, masks: list[Any]
) -> None:
    make_event_type(tenant, name="user.created", masks=masks)
    publish(tenant, [EVENT])
    (again,) = publish(tenant, [EVENT])
    assert again.duplicate
    with pytest.raises(PublishError), transaction.atomic():
        publish(tenant, [{**EVENT, "data": {"email": "bob@example.com"}}])


def test_repeat_is_a_duplicate_after_masks_were_added_or_removed(tenant: Tenant) -> None:
    row = make_event_type(tenant, name="user.created")
    publish(tenant, [EVENT])
    registry.change(row, {"masks": HASH})
    registry.schema_check.clear_cache()
    assert publish(tenant, [EVENT])[0].duplicate
    publish(tenant, [{**EVENT, "id": "2"}])
    registry.change(row, {"masks": []})
    registry.schema_check.clear_cache()
    assert publish(tenant, [{**EVENT, "id": "2"}])[0].duplicate


def test_digest_of_a_masked_event_is_keyed(tenant: Tenant) -> None:
    publish(make_tenant(), [EVENT])
    make_event_type(tenant, name="user.created", masks=MASK)
    other = make_tenant()
    make_event_type(other, name="user.created", masks=MASK)
    registry.schema_check.clear_cache()
    publish(tenant, [EVENT])
    publish(other, [EVENT])
    assert len(set(map(bytes, Event.objects.values_list("digest", flat=True)))) == 3


def test_rotated_key_encrypts_what_follows_and_hashes_stay(tenant: Tenant) -> None:
    masks = [{"path": "$.data.card", "action": "encrypt"}, {"path": "$.data.email", "action": "hash"}]
    make_event_type(tenant, name="user.created", masks=masks)
    for number in range(2):
        data = {"card": "4111", "email": SECRET}
        publish(tenant, [{"type": "user.created", "id": str(number), "source": "/u", "data": data}])
        keys.rotate_key(tenant.id, keys.tenant_key_name(tenant.id, of_platform=False))
        keys._rotations.clear()  # what the commit of the rotation does
    first, second = (json.loads(bytes(it.body))["data"] for it in Event.objects.order_by("id"))
    assert first["email"] == second["email"]
    headers = [json.loads(urlsafe_b64decode(it["card"].partition(".")[0] + "==")) for it in (first, second)]
    assert [it["kid"] for it in headers] == [tenant.public_id, f"{tenant.public_id}.2"]
    known = {it.key_id for it in keys.decryption_keys(tenant.id, tenant.public_id)}
    assert {it["kid"] for it in headers} < known


def test_hashes_of_two_tenants_differ(tenant: Tenant) -> None:
    make_event_type(None, name="user.created", masks=HASH)
    for it in (tenant, make_tenant()):
        publish(it, [EVENT, {**EVENT, "id": "2"}])
    found = [json.loads(bytes(it.body))["data"]["email"] for it in Event.objects.order_by("tenant", "id")]
    assert (found[0] == found[1], found[2] == found[3], found[0] == found[2]) == (True, True, False)


def test_masks_of_the_platform_apply_though_the_tenant_has_a_type_of_the_same_name(tenant: Tenant) -> None:
    make_event_type(None, name="user.created", masks=MASK)
    make_event_type(tenant, name="user.created", masks=[])
    publish(tenant, [EVENT])
    assert SECRET not in stored_text()


def test_schema_is_checked_before_masks_and_warnings_quote_no_values(tenant: Tenant) -> None:
    schema = {"type": "object", "properties": {"email": {"type": "integer"}}}
    make_event_type(tenant, name="user.created", masks=MASK, schema=schema)
    (result,) = publish(tenant, [EVENT])
    assert [it.pointer for it in result.warnings] == ["/email"]
    assert SECRET not in stored_text()


def test_event_that_cannot_be_masked_is_refused(tenant: Tenant) -> None:
    make_event_type(tenant, name="user.created", masks=MASK)
    with pytest.raises(PublishError, match="must be JSON"):
        publish(tenant, [{**EVENT, "datacontenttype": "text/plain", "data": SECRET}])


class TestEndpoint:
    def test_masks_of_an_endpoint_are_for_it_only(self, tenant: Tenant) -> None:
        masked, other = make_endpoint(tenant, masks=MASK), make_endpoint(tenant)
        make_subscription(masked)
        make_subscription(other)
        publish(tenant, [EVENT])
        assert [it["data"]["email"] for it in sent(masked) + sent(other)] == ["***", SECRET]
        assert Delivery.objects.get(endpoint=masked).form == Delivery.Form.EVENT

    def test_transformer_renders_the_masked_event(self, tenant: Tenant) -> None:
        endpoint = make_endpoint(tenant, masks=MASK)
        make_subscription(endpoint, transformer={"template": '{"to": <$.data.email>}'})
        publish(tenant, [EVENT])
        assert sent(endpoint) == [{"to": "***"}]

    def test_binary_mode_sends_a_masked_event_in_headers(self, tenant: Tenant) -> None:
        endpoint = make_endpoint(tenant, masks=MASK, content_mode="binary")
        make_subscription(endpoint)
        publish(tenant, [EVENT])
        request = next_request(Delivery.objects.get())
        assert request is not None
        assert (request.body, request.headers and request.headers["ce-id"]) == (b'{"email":"***"}', "1")

    def test_event_that_cannot_be_masked_for_an_endpoint_becomes_a_dead_letter(self, tenant: Tenant) -> None:
        make_subscription(make_endpoint(tenant, masks=MASK))
        publish(tenant, [{**EVENT, "datacontenttype": "text/plain", "data": SECRET}])
        assert DeadLetter.objects.get().reason == "the data must be JSON, because members of it are masked"

    def test_forced_replay_is_masked_for_the_endpoint(self, tenant: Tenant) -> None:
        publish(tenant, [EVENT])
        endpoint = make_endpoint(tenant, masks=MASK)
        start(tenant, ReplayFilter(scope="events", force=True, endpoint=endpoint.id), by="ops")
        run_slices()
        assert [it["data"]["email"] for it in sent(endpoint)] == ["***"]

    def test_test_delivery_is_masked(self, tenant: Tenant) -> None:
        make_event_type(tenant, name="user.created", masks=[{"path": "$.data.name", "action": "remove"}])
        endpoint = make_endpoint(tenant, masks=MASK)
        data = {"email": SECRET, "name": "Ada"}
        test = send_test(endpoint, type="user.created", data=data, dry_run=True)
        assert json.loads(test.body)["data"] == {"email": "***"}


class TestUnmasked:
    @pytest.fixture
    def endpoint(self, tenant: Tenant) -> Endpoint:
        make_event_type(tenant, name="user.created", masks=MASK)
        endpoint = make_endpoint(tenant, unmasked=True)
        make_subscription(endpoint)
        return endpoint

    def test_cleared_endpoint_gets_the_whole_and_nothing_of_it_is_readable_in_the_store(
        self, tenant: Tenant, endpoint: Endpoint
    ) -> None:
        publish(tenant, [EVENT])
        assert SECRET not in stored_text()
        assert next_request(Delivery.objects.get()).body is None  # type: ignore[union-attr]
        assert [it["data"] for it in sent(endpoint)] == [{"email": SECRET}]

    def test_transformer_of_a_cleared_endpoint_renders_the_whole(self, tenant: Tenant, endpoint: Endpoint) -> None:
        endpoint.subscriptions.update(transformer={"template": '{"to": <$.data.email>}'})
        publish(tenant, [EVENT])
        assert SECRET not in stored_text()
        assert sent(endpoint) == [{"to": SECRET}]

    def test_own_masks_of_a_cleared_endpoint_apply_to_the_whole(self, tenant: Tenant, endpoint: Endpoint) -> None:
        Endpoint.objects.update(masks=[{"path": "$.data.name", "action": "remove"}])
        publish(tenant, [{**EVENT, "data": {"email": SECRET, "name": "Ada"}}])
        assert [it["data"] for it in sent(endpoint)] == [{"email": SECRET}]

    def test_deferred_fan_out_sends_the_whole(
        self, tenant: Tenant, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, settings: Any
    ) -> None:
        settings.WAYPOST_FAN_OUT_DELIVERIES = 0
        publish(tenant, [EVENT])
        assert not Delivery.objects.exists()
        deferred.run(seconds=1.0)
        assert [it["data"] for it in sent(endpoint)] == [{"email": SECRET}]

    def test_replay_to_a_later_cleared_endpoint_sends_what_is_kept(self, tenant: Tenant, endpoint: Endpoint) -> None:
        publish(tenant, [EVENT])
        later = make_endpoint(tenant, unmasked=True)
        make_subscription(later)
        start(tenant, ReplayFilter(scope="missing", endpoint=later.id), by="ops")
        run_slices()
        assert [it["data"] for it in sent(later)] == [{"email": SECRET}]

    def test_original_is_not_kept_without_a_cleared_endpoint_that_subscribes(self, tenant: Tenant) -> None:
        make_event_type(tenant, name="user.created", masks=MASK)
        make_subscription(make_endpoint(tenant, unmasked=True), event_types=["order.*"])
        publish(tenant, [EVENT])
        assert Event.objects.get().original is None

    def test_erase_removes_the_original_and_the_bodies(self, tenant: Tenant, endpoint: Endpoint) -> None:
        publish(tenant, [EVENT])
        erase(Event.objects.get(), "ops")
        assert (Event.objects.get().original, Delivery.objects.get().body) == (None, None)

    def test_body_that_no_key_decrypts_is_not_sent(self, tenant: Tenant, endpoint: Endpoint) -> None:
        publish(tenant, [EVENT])
        Delivery.objects.update(body=b"gAAAA", next_attempt_at=database_now() - timedelta(hours=1))
        request = ClaimRequest(endpoint.id, 10, database_now().replace(year=2000), 60.0)
        (claimed,) = claim_deliveries(new_id(), [request])
        assert (claimed.is_unreadable, claimed.body) == (True, b"")
