"""Load reading: previews, filters, explanations, exports, dry runs."""

from tests.isolation.attack import attack
from tests.isolation.attacker import Attacker
from tests.isolation.attacks.publishing import BRANCHES, LISTS, numbered

PERIOD = {"since": "2020-01-01T00:00:00Z"}


def past_events(attacker: Attacker, thousands: int = 20, size: int = 500) -> None:
    """Publish events that nothing subscribes to; a subscription to them follows."""
    for _ in range(thousands):
        attacker.publish(*({"type": "past", "subject": str(n), "data": "p" * size} for n in range(1000)))
    for number in range(5):
        attacker.endpoint(attacker.server(200, f"/{number}"), "past", pattern={"data": [{"wildcard": "*q*r*"}]})


@attack(15, "replay previews with a read-only key", is_short=True)
def previews(attacker: Attacker) -> None:
    """20 clients with a read-only key preview replays of 20,000 events."""
    past_events(attacker)
    body = {"scope": "missing", "filter": PERIOD}
    attacker.clients(20, lambda: attacker.request("POST", "/api/v1/replays/preview/", body, key=attacker.read_key))


@attack(54, "lists with wide filters")
def wide_filters(attacker: Attacker) -> None:
    """20 clients search events, deliveries and dead letters by conditions that no index serves."""
    past_events(attacker)
    for path in (
        "events/?q=zzzz",
        "deliveries/?q=zzzz&status=5xx",
        "dead-letters/?q=zzzz&state=open",
        "usage/?format=csv",
    ):
        attacker.clients(5, lambda it=path: attacker.get(f"/api/v1/{it}", key=attacker.read_key))


@attack(55, "explanations of large events")
def explanations(attacker: Attacker) -> None:
    """12 clients have a large event explained against 200 subscriptions."""
    endpoint = attacker.endpoint(attacker.server(200), "none")
    for number in range(100):
        attacker.create("subscriptions", endpoint=endpoint, event_types=["large"], pattern=numbered(BRANCHES, number))
    items = [{f"k{n}": f"value-{item}" for n in range(5)} for item in range(1000)]
    made = attacker.create("events", type="large", data={"items": items})
    attacker.clients(12, lambda: attacker.get(f"/api/v1/events/{made['id']}/explain/", key=attacker.read_key))


@attack(52, "dry runs of large patterns")
def dry_runs(attacker: Attacker) -> None:
    """12 clients with a read-only key try a pattern of 900 branches on a large event."""
    body = {"pattern": BRANCHES, "event": {"type": "a.b", "data": LISTS}}
    attacker.clients(12, lambda: attacker.request("POST", "/api/v1/subscriptions/test/", body, key=attacker.read_key))


@attack(56, "exports of 2,000 event types")
def exports(attacker: Attacker) -> None:
    """12 clients export a catalogue of 2,000 event types with schemas."""
    schema = {"type": "object", "properties": {f"p{n}": {"type": "string", "maxLength": n + 1} for n in range(40)}}
    webhooks = {
        f"type.number{n}": {"post": {"requestBody": {"content": {"application/json": {"schema": schema}}}}}
        for n in range(2000)
    }
    document = {"openapi": "3.1.0", "info": {"title": "a", "version": "1"}, "webhooks": webhooks}
    attacker.request("POST", "/api/v1/event-types/import/", {"document": document})
    for path in ("event-types/openapi/", "event-types/asyncapi/", "event-types/?limit=250"):
        attacker.clients(4, lambda it=path: attacker.get(f"/api/v1/{it}"))


@attack(60, "large pages")
def large_pages(attacker: Attacker) -> None:
    """Eight clients list 100 event types with schemas of 50 KB, 5 MB a page."""
    schema = {"type": "object", "properties": {f"p{n}": {"type": "string", "title": "t" * 400} for n in range(110)}}
    for number in range(100):
        attacker.create("event-types", name=f"large.n{number}", schema=schema)
    attacker.clients(8, lambda: attacker.get("/api/v1/event-types/?limit=250", key=attacker.read_key))
