"""Load changes: idempotency keys, replays, cancellations, deletions of much."""

from itertools import count

from tests.isolation.attack import attack
from tests.isolation.attacker import Attacker
from tests.receiver import hang


@attack(22, "idempotency keys")
def idempotency_keys(attacker: Attacker) -> None:
    """16 clients publish with ever new keys, and 16 hold one key while a test delivery hangs."""
    numbers = count()
    event = {"type": "attack", "data": {}}
    attacker.clients(
        16, lambda: attacker.request("POST", "/api/v1/events/", event, idempotency_key=f"key-{next(numbers)}")
    )
    endpoint = attacker.endpoint(attacker.server(hang), "none", timeout_ms=30_000)
    attacker.clients(
        16,
        lambda: attacker.request(
            "POST", f"/api/v1/endpoints/{endpoint}/test/", {"type": "a.b"}, idempotency_key="the-same"
        ),
    )


@attack(57, "a replay of 100,000 events")
def large_replay(attacker: Attacker) -> None:
    """100,000 past events are replayed to a new endpoint at the highest rate."""
    for _ in range(100):
        attacker.publish(*({"type": "past"} for _ in range(1000)))
    attacker.endpoint(attacker.server(200), "past")
    for _ in range(4):
        attacker.create("replays", scope="missing", filter={"since": "2020-01-01T00:00:00Z"}, rate=10_000)


@attack(58, "cancellation and deletion of 50,000 deliveries")
def cancellations(attacker: Attacker) -> None:
    """50,000 deliveries to a paused endpoint are cancelled, 50,000 more are deleted with theirs."""
    endpoints = [attacker.endpoint(attacker.server(200, f"/{n}"), f"waiting.{n}", state="paused") for n in range(2)]
    for number in range(2):
        for _ in range(50):
            attacker.publish(*({"type": f"waiting.{number}"} for _ in range(1000)))
    body = {"filter": {"endpoint": endpoints[0]}}
    attacker.clients(4, lambda: attacker.request("POST", "/api/v1/deliveries/cancel/", body))
    attacker.request("DELETE", f"/api/v1/endpoints/{endpoints[1]}/")


@attack(59, "sources, keys and endpoints that come and go")
def churn(attacker: Attacker) -> None:
    """16 clients create and delete sources, keys and event types, so that every process reads its snapshots again."""
    numbers = count()

    def sources() -> None:
        attacker.request("DELETE", f"/api/v1/sources/{attacker.source()['id']}/")

    def keys() -> None:
        attacker.request("DELETE", f"/api/v1/keys/{attacker.create('keys', name='k', scopes=['read'])['id']}/")

    def types() -> None:
        name = attacker.create("event-types", name=f"n{next(numbers)}")["id"]
        attacker.request("DELETE", f"/api/v1/event-types/{name}/")

    for act in (sources, keys, types):
        attacker.clients(5, act)
