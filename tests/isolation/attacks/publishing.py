"""Load publishing: patterns, schemas, transformers, batches, fan-out."""

from itertools import count
from typing import Any

from tests.isolation.attack import LARGE_EVENTS, attack
from tests.isolation.attacker import BATCH, Attacker
from tests.receiver import status

BRANCHES = {  # 30 times 30 alternatives are 900 branches in few bytes
    "data": {"items": {"$or": [{f"k{number}": [{"prefix": f"v{number}"}]} for number in range(30)]}},
    "$or": [{"data": {"items": {"z": [{"wildcard": f"*a*{number}"}]}}} for number in range(30)],
}


def numbered(pattern: dict[str, Any], number: int) -> dict[str, Any]:
    """Return the pattern with a condition that holds for every event: the same subscription twice is a 409."""
    return pattern | {"type": [{"anything-but": f"none.{number}"}]}


LISTS = {"items": [{"z": f"a{item}", **{f"k{number}": f"w{item}" for number in range(3)}} for item in range(1000)]}
COPIED = "tenant_id, event_types, pattern, transformer, description, active, created_at, updated_at"


@attack(2, "operational events against expensive patterns")
def operational_events(attacker: Attacker) -> None:
    """60 subscriptions to `waypost.delivery.dead` have patterns of 900 branches, and hundreds of deliveries die."""
    dying = [attacker.endpoint(attacker.server(410, f"/{number}"), f"dying.{number}") for number in range(4)]
    observer = attacker.endpoint(attacker.server(200), "none")
    stars = "*".join("abcdef0123")
    pattern = {
        "$or": [{"data": {"delivery": [{"wildcard": f"*{number}*{stars}*"}]}} for number in range(30)],
        "data": {"$or": [{"event": [{"wildcard": f"*{number}*{stars}*"}]} for number in range(30)]},
    }
    for number in range(60):
        fields = {"event_types": ["waypost.delivery.dead"], "pattern": numbered(pattern, number)}
        attacker.create("subscriptions", endpoint=observer, **fields)

    def die() -> None:
        for number, endpoint in enumerate(dying):
            attacker.request("PATCH", f"/api/v1/endpoints/{endpoint}/", {"state": "active"})
            attacker.publish(*({"type": f"dying.{number}"} for _ in range(200)))

    attacker.clients(1, die, pause=2)


@attack(4, "patterns of 900 branches over lists of 1,000 elements", is_short=True)
def expensive_patterns(attacker: Attacker) -> None:
    """24 clients publish batches of 230 KB against patterns of 900 branches over lists of 1,000 elements."""
    endpoint = attacker.endpoint(attacker.server(200), "none")
    for number in range(20):
        attacker.create("subscriptions", endpoint=endpoint, event_types=["attack"], pattern=numbered(BRANCHES, number))
    attacker.clients(24, lambda: attacker.publish(*({"data": LISTS} for _ in range(5))))


@attack(5, "a transformer that renders 8 MB an event")
def large_rendering(attacker: Attacker) -> None:
    """Batches of 600 KB are rendered to 8 MB an event, 60 events each."""
    template = {"input_paths": {"x": "$.data.text"}, "template": "[" + ",".join(["<x>"] * 800) + "]"}
    attacker.endpoint(attacker.server(200), "attack", transformer=template)
    attacker.clients(1, lambda: attacker.publish(*({"data": {"text": "y" * 10_000}} for _ in range(60))))


@attack(6, "events of 8 MB", platform=LARGE_EVENTS)
def large_events(attacker: Attacker) -> None:
    """60 events of 8 MB are published and delivered once."""
    attacker.endpoint(attacker.server(200), "attack")
    numbers = count()

    def publish() -> None:
        if next(numbers) < 60:
            event = {"type": "attack", "data": "z" * 8_000_000}
            attacker.request("POST", "/api/v1/events/", event)
        else:
            attacker.stopping.wait(1)

    attacker.clients(2, publish)


@attack(29, "one event to 10,000 endpoints")
def wide_fan_out(attacker: Attacker) -> None:
    """Events that 10,000 endpoints subscribe to are published one after the other."""
    copies(attacker, 10_000, attacker.server(200))
    attacker.clients(2, lambda: attacker.publish({"type": "bench.all"}), pause=0.2)


def copies(attacker: Attacker, number: int, url: str) -> None:
    """Create many endpoints of the attacker that subscribe to `bench.all`."""
    attacker.endpoint(url, "bench.all", uid="copied")
    owner = f"(SELECT tenant_id FROM subscriptions_apikey WHERE key_prefix = '{attacker.key[:11]}')"
    attacker.sql(f"""
        WITH model AS MATERIALIZED (
            SELECT id FROM subscriptions_endpoint WHERE uid = 'copied' AND deleted_at IS NULL AND tenant_id = {owner}
        ), wanted AS MATERIALIZED (SELECT uuidv7() AS id, n FROM generate_series(1, {number}) AS n
        ), endpoints AS (
            INSERT INTO subscriptions_endpoint
            SELECT (jsonb_populate_record(e, jsonb_build_object('id', w.id, 'uid', 'copy' || w.n))).*
              FROM wanted w, subscriptions_endpoint e WHERE e.id = (SELECT id FROM model)
        ), settings AS (
            INSERT INTO subscriptions_httpsettings
            SELECT (jsonb_populate_record(s, jsonb_build_object('endpoint_id', w.id))).*
              FROM wanted w, subscriptions_httpsettings s WHERE s.endpoint_id = (SELECT id FROM model)
        ), secrets AS (
            INSERT INTO subscriptions_signingsecret
            SELECT (jsonb_populate_record(s, jsonb_build_object('id', uuidv7(), 'endpoint_id', w.id))).*
              FROM wanted w, subscriptions_signingsecret s WHERE s.endpoint_id = (SELECT id FROM model)
        )
        INSERT INTO subscriptions_subscription ({COPIED}, id, endpoint_id)
        SELECT {COPIED}, uuidv7(), w.id
          FROM wanted w, subscriptions_subscription s WHERE s.endpoint_id = (SELECT id FROM model)""")


@attack(30, "endpoints created and deleted while publishing")
def routes_that_change(attacker: Attacker) -> None:
    """A tenant of 2,000 endpoints changes one after the other, so that its routes are read again for every event."""
    copies(attacker, 2_000, attacker.server(200))

    def change() -> None:
        made = attacker.endpoint(attacker.server(200), "changing")
        attacker.request("DELETE", f"/api/v1/endpoints/{made}/")

    attacker.clients(2, change)
    attacker.clients(2, lambda: attacker.publish({"type": "other"}), pause=0.05)


@attack(31, "2,000 subscriptions with patterns")
def many_subscriptions(attacker: Attacker) -> None:
    """Events are published against 2,000 subscriptions with patterns of strings, wildcards and numbers."""
    endpoint = attacker.endpoint(attacker.server(200), "none")
    pattern = {"data": {"a": [{"wildcard": "*x*y*"}, {"numeric": [">", 5, "<", 9]}], "b": [{"suffix": "zz"}]}}
    attacker.create("subscriptions", endpoint=endpoint, event_types=["attack"], pattern=pattern, description="copied")
    attacker.sql(f"""
        INSERT INTO subscriptions_subscription ({COPIED}, endpoint_id, id)
        SELECT {COPIED}, endpoint_id, uuidv7()
          FROM generate_series(1, 2000), subscriptions_subscription s
         WHERE s.description = 'copied' AND s.endpoint_id IN (SELECT id FROM subscriptions_endpoint WHERE tenant_id =
               (SELECT tenant_id FROM subscriptions_apikey WHERE key_prefix = '{attacker.key[:11]}'))""")
    data = {"a": "x" * 2000, "b": "z" * 2000}
    attacker.clients(4, lambda: attacker.publish(*({"data": data} for _ in range(10))))


@attack(32, "event types with expensive schemas")
def expensive_schemas(attacker: Attacker) -> None:
    """Events are checked against a schema with unique items, nested references and a regular expression."""
    schema = {
        "type": "object",
        "properties": {
            "list": {
                "type": "array",
                "uniqueItems": True,
                "items": {"anyOf": [{"pattern": "^(a+)+$"}, {"minLength": 5}]},
            }
        },
    }
    attacker.create("event-types", name="schema.checked", schema=schema, schema_check="enforce")
    data = {"list": ["a" * 30 + "!" + str(number) for number in range(5_000)]}
    attacker.clients(4, lambda: attacker.publish(*({"type": "schema.checked", "data": data} for _ in range(5))))


@attack(33, "a flood of full batches", is_short=True)
def batches(attacker: Attacker) -> None:
    """Eight clients publish batches of 1,000 events that are delivered to one endpoint."""
    attacker.endpoint(attacker.server(200), "attack")
    attacker.clients(8, lambda: attacker.publish(*({"data": {"number": n}} for n in range(1000))))


@attack(34, "deep and wide JSON")
def deep_json(attacker: Attacker) -> None:
    """Events of 1 MB have 90,000 keys, or nest as deep as they can; batches of 6 MB have two million objects."""
    wide = b'{"type":"a.b","data":{' + b",".join(b'"%d":1' % n for n in range(90_000)) + b"}}"
    deep = b'{"type":"a.b","data":' + b"[" * 500_000 + b"]" * 500_000 + b"}"
    many = b"[" + b",".join([b"{}"] * 2_000_000) + b"]"
    for body, kind in ((wide, "application/json"), (deep, "application/json"), (many, BATCH)):
        attacker.clients(2, lambda it=body, of=kind: attacker.request("POST", "/api/v1/events/", it, content_type=of))


@attack(50, "a flood of single events")
def single_events(attacker: Attacker) -> None:
    """64 connections publish single events as fast as they are answered; each is delivered to five endpoints."""
    for number in range(5):
        attacker.endpoint(attacker.server(status(200), f"/{number}"), "attack")
    attacker.clients(64, lambda: attacker.request("POST", "/api/v1/events/", {"type": "attack", "data": {"a": 1}}))
