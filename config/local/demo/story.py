"""The demo from its beginning to its end: start, subscribe, publish, watch, repair, replay, count.

``run`` lists the steps; they follow below it in this order.
"""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from config.local.demo.counts import Count, Seen, counted
from config.local.demo.customer import Customer, open_account, publish
from config.local.demo.given import ORDER, Given, data_of, large, read
from config.local.demo.launch import Platform, launched
from config.local.demo.listeners import GONE, Gone, Stumbling
from config.local.demo.screen import Screen
from config.local.demo.stranger import Stranger

__all__ = ["run"]

SAID_TWICE = 3  # events that are published a second time, as by a publisher that lost the answer
LOOK_EVERY = 0.5  # seconds


def run(file: Path | None, port: int | None, *, stay: bool, screen: Screen) -> list[Count]:
    """Tell the whole story. What was counted; with ``stay`` only after Ctrl-C.

    Raises BadEvents, CannotLaunch, Refused or Stalled, each of them one line.
    """
    events = read(file) if file else [*read(ORDER), large()]
    screen.say("Waypost: one publisher, three receivers, all on this machine. Nothing leaves it.")
    with ExitStack() as stack:
        platform = _start(screen, stack, port)
        made = platform.tenant("Demo")
        customer = _subscribe(screen, stack, Stranger(platform.address, made["api_key"]))
        before = platform.claimed()
        published = _publish(screen, customer, events)
        _watch(screen, customer, published)
        replayed = _repair(screen, customer)
        counts = counted(_look(screen, customer, published, replayed, platform.claimed() - before))
        _tell(screen, counts)
        if stay:
            _stay(screen, platform, customer, made["api_key"])
    return counts


@dataclass(frozen=True, slots=True)
class Published:
    """The events by the ids the platform gave them; how many were said again, and how often it refused that."""

    taken: dict[str, Given]
    repeats: int
    refused: int


def _start(screen: Screen, stack: ExitStack, port: int | None) -> Platform:
    screen.step("The platform starts: PostgreSQL, Valkey, web, workers, schedule")
    begun = time.monotonic()
    platform = stack.enter_context(launched(port))
    platform.wait_until_ready()
    ends = "stays there" if platform.kept else "is removed at the end"
    screen.say(f"   {platform.address}/ after {time.monotonic() - begun:.1f} s; its data {ends}: {platform.data}")
    return platform


def _subscribe(screen: Screen, stack: ExitStack, api: Stranger) -> Customer:
    screen.step("A tenant subscribes three endpoints to everything")
    stumbling, gone = Stumbling("stumbling"), Gone("gone")
    for listener in (stumbling, gone):
        stack.enter_context(listener.listening())
    customer = open_account(api, stumbling, gone)
    screen.endpoints(customer)
    return customer


def _publish(screen: Screen, customer: Customer, events: list[Given]) -> Published:
    """Each event once; then the first few, and those that the file holds more than once, again."""
    first: dict[tuple[str, str], Given] = {}
    for event in events:
        first.setdefault(event.name, event)
    unique = list(first.values())
    repeats = [*unique[:SAID_TWICE], *(event for event in events if event is not first[event.name])]
    screen.step(f"Events are published: {len(unique)}, and {len(repeats)} of them a second time")
    taken = {result["id"]: event for event, result in publish(customer.api, unique)}
    refused = sum(result["duplicate"] for _, result in publish(customer.api, repeats))
    return Published(taken, len(repeats), refused)


def _watch(screen: Screen, customer: Customer, published: Published) -> None:
    stumbling, gone = customer.stumbling, customer.gone
    with screen.bars(customer.ids, len(published.taken)) as bars:
        for _ in customer.wait(until=lambda: not customer.owed(*customer.ids)):
            bars.show("own", len(customer.receipts))
            bars.show("stumbling", stumbling.accepted, f"failed {stumbling.requests - stumbling.accepted} times")
            bars.show("gone", gone.accepted, f"answered {GONE} to {gone.statuses[GONE]}")


def _repair(screen: Screen, customer: Customer) -> int:
    """How many dead letters were brought back."""
    dead = customer.dead_letters()
    screen.say(f"   The platform has disabled the last one ({customer.disabled_reason()}): {dead} dead letters.")
    screen.step(f"It is repaired and enabled, and its {dead} dead letters are replayed")
    customer.repair()
    replay = customer.replay()
    with screen.bars(["gone"], dead) as bars:
        for _ in customer.wait(until=lambda: customer.replayed(replay) is not None and not customer.owed("gone")):
            bars.show("gone", customer.gone.accepted)
    return customer.replayed(replay) or 0


def _look(screen: Screen, customer: Customer, published: Published, replayed: int, claimed: int) -> Seen:
    """Fetch what the platform knows, and compare every body with what was stored and with what was given."""
    screen.step("What was counted")
    api, listeners = customer.api, customer.listeners
    stored = {event_id: api.event(event_id) for event_id in published.taken}
    kept = {row["message_id"]: api.raw(f"receipts/{row['id']}/body/") for row in customer.receipts}
    bodies = [kept, *(listener.bodies for listener in listeners)]
    changed = set().union(*(listener.changed for listener in listeners))
    return Seen(
        events=len(published.taken),
        repeats=published.repeats,
        refused_repeats=published.refused,
        taken=sum(1 for _ in api.rows("events/")),
        deliveries=list(api.rows("deliveries/")),
        stumbling_id=customer.ids["stumbling"],
        dead_letters=sum(1 for _ in api.rows("dead-letters/")),
        replayed=replayed,
        receipts=customer.receipts,
        claimed=claimed,
        stumbling=customer.stumbling.statuses,
        gone=customer.gone.statuses,
        same_bytes=sum(
            of_one.get(event_id) == body and event_id not in changed
            for of_one in bodies
            for event_id, body in stored.items()
        ),
        same_data=sum(data_of(stored[event_id]) == given.data for event_id, given in published.taken.items()),
    )


def _tell(screen: Screen, counts: Sequence[Count]) -> None:
    screen.table(counts)
    if all(count.is_right for count in counts):
        screen.say("\n   Every count is what it must be.", style="green")


def _stay(screen: Screen, platform: Platform, customer: Customer, key: str) -> None:
    screen.invitation(platform, customer, key)
    try:
        while True:
            platform.check()
            time.sleep(LOOK_EVERY)
    except KeyboardInterrupt:
        screen.say("\nStopping ...")
