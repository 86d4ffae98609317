"""Batches of HTTP endpoints, on a real server, through whole drains."""

from typing import Any

import orjson
import pytest

from delivery import notify
from delivery.models import Attempt, Delivery
from delivery.sending import dispatch
from delivery.single_attempts.test_delivery import send_test
from delivery.transports.https.http_batch import batch_id, failed_ids
from delivery.transports.message import Message
from subscriptions.endpoints.endpoints import change_endpoint, create_endpoint
from subscriptions.errors import Invalid
from subscriptions.models import Endpoint
from tests.delivery.destinations.battery import SECRET, publish_to, run_drain
from tests.factories import make_client, make_subscription, make_tenant
from tests.receiver import Receiver, status
from webhooks.wire.signing.standard_webhooks import verify

BATCH = {"max_events": 10, "max_bytes": 262_144, "window_seconds": 0.2}


@pytest.fixture(autouse=True)
def loopback(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]
    monkeypatch.setattr(notify.drain_starter, "notify", lambda: None)


def subscribed(receiver: Receiver, **fields: Any) -> Endpoint:
    fields = {"batch": BATCH, "retry_plan": [60], "secret": SECRET, **fields}
    return make_subscription(create_endpoint(make_tenant(), url=receiver.url("/hooks"), **fields)[0]).endpoint


@pytest.mark.django_db(transaction=True)
class TestBatches:
    def test_events_share_requests_each_with_an_attempt_of_its_own(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver)
        publish_to(endpoint, *range(25))
        run_drain()
        assert sorted(len(orjson.loads(it.body)) for it in receiver.arrivals) == [5, 10, 10]
        assert Attempt.objects.filter(error="").count() == 25
        for it in receiver.arrivals:
            assert it.headers["content-type"] == "application/cloudevents-batch+json"
            verify([SECRET], it.headers, it.body, now=float(it.headers["webhook-timestamp"]))

    def test_events_that_are_published_one_after_the_other_wait_for_each_other(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver, batch={**BATCH, "window_seconds": 1})
        publish_to(endpoint, 1)
        publish_to(endpoint, 2)
        run_drain()
        assert [len(orjson.loads(it.body)) for it in receiver.arrivals] == [2]

    def test_batch_is_filled_however_many_lanes_share_the_drain(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(dispatch, "ENOUGH_IN_FLIGHT", 0)  # as with very many lanes
        endpoint = subscribed(receiver)
        publish_to(endpoint, *range(20))
        run_drain()
        assert [len(orjson.loads(it.body)) for it in receiver.arrivals] == [10, 10]

    def test_bytes_limit_a_request(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver, batch={**BATCH, "max_bytes": 3_000})
        publish_to(endpoint, *("x" * 1_000 for _ in range(4)))
        run_drain()
        assert sorted(len(orjson.loads(it.body)) for it in receiver.arrivals) == [2, 2]

    def test_events_that_a_response_names_are_retried(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver)
        ids = publish_to(endpoint, 1, 2, 3)
        receiver.script("/hooks", status(200, orjson.dumps({"failed": [ids[1]]})))
        run_drain()
        states = {it.public_id: it.state for it in Delivery.objects.all()}
        assert sorted(states.values()) == ["delivered", "delivered", "pending"]
        pending = Delivery.objects.get(state="pending")
        assert f"evt_{pending.event.public_id[4:]}" == ids[1]
        assert pending.last_error == "refused"

    def test_failed_request_is_that_of_every_event(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver)
        receiver.script("/hooks", status(500))
        publish_to(endpoint, 1, 2)
        run_drain()
        assert [*Delivery.objects.values_list("state", "last_status")] == [("pending", 500)] * 2

    def test_custom_headers_and_credentials_are_sent_with_a_batch(self, receiver: Receiver) -> None:
        auth = {"type": "bearer", "token": "t0ken"}
        endpoint = subscribed(receiver, headers={"x-team": "red"}, auth=auth)
        publish_to(endpoint, 1)
        run_drain()
        (arrival,) = receiver.arrivals
        assert arrival.headers["x-team"] == "red"
        assert arrival.headers["authorization"] == "Bearer t0ken"

    def test_transformed_bodies_are_items_of_a_json_array(self, receiver: Receiver) -> None:
        endpoint, _ = create_endpoint(make_tenant(), url=receiver.url("/hooks"), batch=BATCH)
        make_subscription(endpoint, transformer={"input_paths": {"n": "$.data"}, "template": "number <n>"})
        publish_to(endpoint, 1, 2)
        run_drain()
        (arrival,) = receiver.arrivals
        assert arrival.headers["content-type"] == "application/json"
        assert sorted(orjson.loads(arrival.body)) == ["number 1", "number 2"]

    def test_test_delivery_is_a_batch_of_one(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver)
        result = send_test(endpoint, data=5)
        assert result.delivered
        assert result.body == receiver.arrivals[0].body
        assert [it["data"] for it in orjson.loads(result.body)] == [5]
        assert SECRET not in str(result.headers)

    def test_order_per_key_is_kept(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver, ordering="subject", batch={**BATCH, "window_seconds": 0})
        for n in range(3):
            publish_to(endpoint, n, subject="a")
            publish_to(endpoint, n, subject="b")
        run_drain()
        events = [it for arrival in receiver.arrivals for it in orjson.loads(arrival.body)]
        assert [it["data"] for it in events if it["subject"] == "a"] == [0, 1, 2]


@pytest.mark.django_db
class TestSettings:
    @pytest.mark.parametrize(
        ("batch", "text"),
        [
            ({"max_events": 0}, "max_events: must be an integer from 1 to 500."),
            ({"max_events": True}, "max_events: must be an integer from 1 to 500."),
            ({"window_seconds": 6}, "window_seconds: must be a number from 0 to 5."),
            ({"size": 1}, "'size' is unknown; must be one of: max_bytes, max_events, window_seconds."),
            ([], "Must be an object"),
        ],
    )
    def test_batch_that_is_not_allowed_is_refused(self, batch: Any, text: str) -> None:
        fields = {"url": "https://127.0.0.1/", "batch": batch}
        response = make_client(make_tenant()).post("/api/v1/endpoints/", fields, format="json")
        assert response.status_code == 400
        assert text in response.json()["errors"][0]["detail"]

    def test_batch_gets_its_defaults(self) -> None:
        endpoint, _ = create_endpoint(make_tenant(), url="https://127.0.0.1/", batch={"max_events": 5})
        assert endpoint.batch == {"max_events": 5, "max_bytes": 262_144, "window_seconds": 1.0}

    def test_order_of_all_events_excludes_batches(self) -> None:
        endpoint, _ = create_endpoint(make_tenant(), url="https://127.0.0.1/", batch={})
        with pytest.raises(Invalid, match="ordering endpoint"):
            change_endpoint(endpoint, {"ordering": "endpoint"})


@pytest.mark.parametrize(
    ("response", "ids"),
    [
        (b"", set()),
        (b"ok", set()),
        (b"[1]", set()),
        (b'{"failed": []}', set()),
        (b'{"failed": "evt_1"}', set()),
        (b'{"failed": ["evt_1", 5]}', {"evt_1"}),
        (b'{"failed": [{"id": "evt_1"}, {}]}', {"evt_1"}),
        (b'{"batchItemFailures": [{"itemIdentifier": "evt_2"}]}', {"evt_2"}),
    ],
)
def test_failed_events_are_read_from_a_response(response: bytes, ids: set[str]) -> None:
    assert failed_ids(response) == ids


def test_id_of_a_batch_follows_from_its_events() -> None:
    one, two = (Message(f"evt_{n}", b"{}", "", True, None, 1, "") for n in (1, 2))
    assert batch_id([one]) == "evt_1"
    assert batch_id([one, two]) == batch_id([one, two]) != batch_id([two, one])
