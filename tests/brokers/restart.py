"""Check deliveries to a broker that stops while events wait for it, and starts again."""

from collections.abc import Callable

import orjson

from delivery.models import Delivery, Lane
from tests.delivery.destinations.battery import Place, endpoint_of, latest_attempt, make_due, publish_to, run_drain
from tests.waiting import wait_until

EVENTS = 40  # half of them are published while the broker is stopped
SUBJECTS = ("s0", "s1")


def check_restart(place: Place, stop: Callable[[], None], start: Callable[[], None]) -> None:
    """Assert that every event arrives, in the order of its subject, and once if the place stores repeats once."""
    endpoint = endpoint_of(place, ordering="subject", timeout_ms=2_000, retry_plan=[60] * 20)

    def publish_numbers(numbers: range) -> None:
        for n in numbers:
            publish_to(endpoint, {"n": n}, subject=SUBJECTS[n % 2])

    def all_delivered() -> bool:
        make_due(endpoint)
        Lane.objects.filter(endpoint=endpoint).update(circuit_open_until=None, wait_until=None)
        run_drain()
        return not Delivery.objects.exclude(state="delivered").exists()

    publish_numbers(range(EVENTS // 2))
    run_drain(seconds=0.5)
    stop()
    publish_numbers(range(EVENTS // 2, EVENTS))
    make_due(endpoint)
    run_drain()
    assert Delivery.objects.exclude(state="delivered").exists()
    start()
    wait_until(all_delivered, lambda: f"every delivery; the latest attempt: {latest_attempt().error}")
    received = [orjson.loads(it.body) for it in place.received()]
    for odd, subject in enumerate(SUBJECTS):
        numbers = [it["data"]["n"] for it in received if it["subject"] == subject]
        assert (numbers if place.stores_repeats_once else [*dict.fromkeys(numbers)]) == [*range(odd, EVENTS, 2)]
