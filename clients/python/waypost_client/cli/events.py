"""Publish events, and find out what became of them."""

import itertools
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

from waypost_client.cli.command import ENDPOINT, LIMIT, SINCE, TYPE, Context, argument, command
from waypost_client.cli.times import instant

EVENT_COLUMNS = ("id", "created_at", "type", "source", "subject", "event_id")
DELIVERY_COLUMNS = ("id", "created_at", "type", "endpoint", "state", "attempts_made", "last_status", "last_error")
BATCH = 100
TAIL_EVERY = 1.0  # seconds


def _data(text: str) -> Any:
    """Return the JSON of an argument: itself, ``@file`` or ``-`` for the standard input."""
    if text == "-":
        return json.load(sys.stdin)
    if text.startswith("@"):
        with open(text[1:], encoding="utf-8") as file:
            return json.load(file)
    return json.loads(text)


@command(
    "publish",
    "publish an event, or one for each line of a file",
    argument("type", nargs="?", help="event type, such as order.paid"),
    argument("data", nargs="?", default="{}", help="JSON; @file reads it from a file, - from the standard input"),
    argument("--id", help="id of the event: one that is published again is not sent again"),
    argument("--source", help="where it comes from, such as /shop"),
    argument("--subject", help="what it is about, such as order-17"),
    argument("--deliver-at", metavar="TIME", help="deliver it then"),
    argument("--file", metavar="FILE", help="publish each line of a file of JSON; - is the standard input"),
    changes=True,
)
def publish(context: Context) -> None:
    """Publish."""
    given = context.arguments
    if given.file:
        _publish_file(context, given.file)
        return
    if not given.type:
        raise ValueError("type: give an event type, or --file")
    event = {"type": given.type, "data": _data(given.data)}
    optional = {"id": given.id, "source": given.source, "subject": given.subject, "deliver_at": given.deliver_at}
    event |= {name: value for name, value in optional.items() if value is not None}
    result: Any = context.client.create_event(event)  # type: ignore[arg-type]
    again = " (published before)" if result["duplicate"] else ""
    context.output.one(result, f"{result['id']}  {result['deliveries']} deliveries{again}")


def _publish_file(context: Context, name: str) -> None:
    file = sys.stdin if name == "-" else open(name, encoding="utf-8")  # noqa: SIM115 (closed below)
    accepted = refused = 0
    with file:
        lines = (json.loads(line) for line in file if line.strip())
        while batch := list(itertools.islice(lines, BATCH)):
            result: Any = context.client.create_event_batch(batch)
            accepted += result["accepted"]
            for number, one in enumerate(result["data"]):
                if one["status"] == "rejected":
                    refused += 1
                    errors = one["error"].get("errors") or [one["error"]]
                    reasons = "; ".join(f"{it.get('field', '')} {it['detail']}".strip() for it in errors)
                    context.output.one(one, f"refused: {batch[number].get('type')}: {reasons}")
    context.output.note(f"{accepted} accepted, {refused} refused")
    if refused:
        raise ValueError(f"{refused} events were refused")


@command(
    "trigger",
    "publish the example of an event type of the catalogue",
    argument("type", help="event type"),
    changes=True,
)
def trigger(context: Context) -> None:
    """Publish an example."""
    found: Any = context.client.get_event_type(context.arguments.type)
    examples = found.get("examples") or []
    if not examples:
        raise ValueError(f"{context.arguments.type} has no example: add one in the catalogue, or use `waypost publish`")
    result: Any = context.client.create_event({"type": context.arguments.type, "data": examples[0]})
    context.output.one(result, f"{result['id']}  {result['deliveries']} deliveries")


@command("events", "list events", TYPE, SINCE, argument("--q", help="text to look for"), LIMIT)
def events(context: Context) -> None:
    """List."""
    given = context.arguments
    found = context.client.list_events(
        type=given.type, since=instant(given.since), q=given.q, limit=min(given.limit, 100)
    )
    context.output.table(itertools.islice(found, given.limit), EVENT_COLUMNS)


@command(
    "deliveries", "list deliveries", argument("--state", help="pending, delivered, dead, ..."), ENDPOINT, SINCE, LIMIT
)
def deliveries(context: Context) -> None:
    """List."""
    given = context.arguments
    found = context.client.list_deliveries(
        state=given.state,
        endpoint=given.endpoint,
        since=instant(given.since),
        limit=min(given.limit, 100),
    )
    context.output.table(itertools.islice(found, given.limit), DELIVERY_COLUMNS)


@command("explain", "say who gets an event, who does not, and why", argument("event", help="id of the event"))
def explain(context: Context) -> None:
    """Explain."""
    found = context.client.explain_event(context.arguments.event)
    for one in found:
        context.output.one(one, f"{one['endpoint']}  {one['url']}  {one['outcome']}")
        if not context.output.as_json:
            for reason in one["reasons"]:
                context.output.one(reason, f"    {reason['detail']}")


@command(
    "tail",
    "print deliveries as they are created, until Ctrl-C",
    ENDPOINT,
    argument("--state", help="only these"),
    has_end=False,
)
def tail(context: Context) -> None:
    """Follow."""
    for one in _new_deliveries(context):
        text = f"{one['created_at']}  {one['type']:24} {one['endpoint']}  {one['state']}"
        context.output.one(one, text)


def _new_deliveries(context: Context) -> Iterator[Any]:
    """Yield deliveries, oldest first, each once."""
    given, seen = context.arguments, set[str]()
    since = instant("0s")
    while True:
        found: list[Any] = list(
            context.client.list_deliveries(
                endpoint=given.endpoint, state=given.state, since=since, order="oldest", limit=100
            )
        )
        for one in found:
            if one["id"] not in seen:
                seen.add(one["id"])
                yield one
        if found:
            since = found[-1]["created_at"]
            seen = {it["id"] for it in found if it["created_at"] == since}
        time.sleep(TAIL_EVERY)
