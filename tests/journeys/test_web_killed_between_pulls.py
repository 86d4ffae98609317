"""Test that a web process that is killed between handing out and acknowledging loses nothing of a pulled endpoint."""

import urllib.request
from typing import Any

import orjson

from delivery.models import Attempt, Delivery
from subscriptions.models import Endpoint
from tests.delivery.pulling.factories import let_lapse, make_pulled, publish_orders
from tests.factories import make_key
from tests.journeys.conftest import DIRECT, Workers
from tests.journeys.deliveries import delivered
from tests.waiting import wait_until
from webhooks.wire.ids import parse


def pull(workers: Workers, key: str, endpoint: Endpoint, query: str) -> list[dict[str, Any]]:
    """Return the messages of one request; none while the web process is away."""
    url = f"{workers.address}/api/v1/endpoints/{endpoint.public_id}/messages/?{query}"
    try:
        with DIRECT.open(urllib.request.Request(url, headers={"authorization": f"Bearer {key}"})) as response:
            return list(orjson.loads(response.read())["messages"])
    except OSError:
        return []


def test_killed_web_process_loses_no_message_and_hands_out_again_what_was_not_acknowledged(workers: Workers) -> None:
    endpoint = make_pulled()
    key = make_key(endpoint.tenant, "consume", endpoint=endpoint)[1]
    publish_orders(endpoint, 20)
    (web,) = workers.start("web")
    before = wait_until(lambda: pull(workers, key, endpoint, "limit=8"), "the web")
    acknowledged = [it["id"] for it in before[:3]]
    path = f"endpoints/{endpoint.public_id}/acknowledgements/"
    workers.post(path, key, {"acknowledged": acknowledged})
    web.kill()
    assert Delivery.objects.filter(state="sending").count() == 5
    let_lapse(endpoint)

    workers.start("web", "work")
    after: list[dict[str, Any]] = []

    def is_everything_delivered() -> bool:
        if found := pull(workers, key, endpoint, "wait=5"):
            after.extend(found)
            workers.post(path, key, {"acknowledged": [it["id"] for it in found]})
        return delivered(endpoint) == 20

    wait_until(is_everything_delivered, "everything to be delivered")
    lost = {it["id"]: it for it in before[3:]}
    assert lost.keys() <= {it["id"] for it in after}
    assert len({it["id"] for it in after} | set(acknowledged)) == 20
    for again in after:
        if (first := lost.get(again["id"])) is not None:
            assert (again["body"], again["headers"]["webhook-id"]) == (first["body"], first["headers"]["webhook-id"])
            history = Attempt.objects.filter(delivery=parse("dlv", again["id"])).order_by("number")
            assert [it.error for it in history] == ["timeout", ""]
    assert len(after) == 17
