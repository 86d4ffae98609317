"""Tell the demo from beginning to end: start, customers, publish, watch, repair, replay, count."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from config.local.demo import events
from config.local.demo.api_client import ApiClient
from config.local.demo.counts import Count, Observed, count
from config.local.demo.events import DemoEvent, data_of
from config.local.demo.launch import Platform, launched
from config.local.demo.on_call import BEGAN, ENDED, ON_CALL, SlackServer, subscribe_on_call
from config.local.demo.receivers import ACCEPTED, GONE, Receiver, flaky_status
from config.local.demo.screen import Screen
from config.local.demo.sources import CUSTOMER, show_sources

PUBLISHED_TWICE = 3  # events that are published again, as by a publisher that did not get the response
RETRY_PLAN = [1, 1, 2]  # seconds after each failure of the flaky endpoint
ACME, GLOBEX, INITECH = "acme", "globex", "initech"  # the customers
OTHERS = (GLOBEX, INITECH)
FOR_GLOBEX = {
    "specversion": "1.0",
    "type": "order.paid",
    "id": "G-1",
    "source": "urn:waypost:demo",
    "data": {"total": 42},
}
REPLAY_RATE = 500  # deliveries per second
CHECK_EVERY = 0.2  # seconds
STALLED_AFTER = 120.0  # seconds without any arrival
INVITATION = """
   admin    {address}/admin/   (admin / {password})
   API      {address}/api/v1/docs/
   metrics  {address}/metrics
   log      {log}

In another terminal: publish an event, see its deliveries, what our receiver keeps, and the dead letters.
   export API={address}/api/v1 AUTH="Authorization: Bearer {key}" FOR="Waypost-Tenant: acme"
   curl -s $API/events/ -H "$AUTH" -H "$FOR" -H 'Content-Type: application/json' -d '{{"type": "order.paid"}}'
   curl -s "$API/deliveries/?limit=3" -H "$AUTH" -H "$FOR"
   curl -s "$API/receipts/?source={source}&limit=1" -H "$AUTH" -H "$FOR"
   curl -s "$API/dead-letters/?limit=1" -H "$AUTH" -H "$FOR"

See requests arrive in a browser: create a request inspector, open its "page_url", and give its "url" to an endpoint.
   curl -s $API/inspectors/ -H "$AUTH" -H "$FOR" -H 'Content-Type: application/json' -d '{{"name": "My browser"}}'
"""


class Stalled(Exception):
    """Nothing has arrived for a long time; the message is one line."""


def run(file: Path | None, *, stay: bool, sources: bool = False) -> Sequence[Count]:
    """Run the demo on the events of a file, or on the built-in ones. With `stay`, return only after Ctrl-C.

    `sources`: show a schedule and sources that are read too.

    Raises InvalidEvents, CannotLaunch, ApiError or Stalled; the message of each is one line.
    """
    published = events.read(file) if file else events.built_in()
    screen = Screen()
    number = "four" if sources else "three"
    screen.say(f"Waypost: one publisher, {number} customers, all on this machine. Nothing leaves it.")
    with ExitStack() as stack:
        platform = _start(screen, stack)
        key = platform.create_key("Demo")
        _create_customers(screen, ApiClient(platform.address, key), [CUSTOMER] if sources else [])
        tenant = _subscribe(screen, stack, ApiClient(platform.address, key, ACME))
        others = {uid: _subscribe_other(screen, stack, ApiClient(platform.address, key, uid)) for uid in OTHERS}
        operator, own = ApiClient(platform.address, key), ApiClient(platform.address, key, ON_CALL)
        slack = subscribe_on_call(screen, stack, operator, own)
        _publish(screen, tenant, others[GLOBEX], published)
        _watch(screen, tenant)
        _alert(screen, tenant, slack)
        _repair_and_replay(screen, tenant, slack)
        from_sources = []
        if sources:
            shop = ApiClient(platform.address, key, CUSTOMER)
            from_sources = show_sources(screen, stack, shop, platform.data / "shop")
        screen.step("Everything is counted")
        counts = [*count(_observe(tenant, others, slack, platform)), *from_sources]
        screen.table(counts)
        if all(one.found == one.expected for one in counts):
            screen.say("\n   Every count is as expected.", style="green")
        if stay:
            _stay(screen, platform, tenant, key)
    return counts


@dataclass
class OtherTenant:
    """Another customer: its endpoint accepts what arrives, and must receive no event of the first customer."""

    api: ApiClient
    receiver: Receiver

    def is_waiting(self) -> bool:
        """Whether a delivery to its endpoint is still scheduled."""
        return any(self.api.get("deliveries/", state=state, limit=1)["data"] for state in ("pending", "sending"))


@dataclass
class DemoTenant:
    """The tenant's endpoints by name, and what it published, by the ids of the events."""

    api: ApiClient
    source: str
    endpoints: dict[str, str]
    flaky: Receiver
    gone: Receiver
    accepted: dict[str, DemoEvent] = field(default_factory=dict)
    repeats: int = 0
    duplicates: int = 0
    replayed: int = 0

    def is_waiting(self, *names: str) -> bool:
        """Whether deliveries to these endpoints are still scheduled."""
        return any(
            self.api.get("deliveries/", endpoint=self.endpoints[name], state=state, limit=1)["data"]
            for name in names
            for state in ("pending", "sending")
        )

    def receipts(self) -> list[dict[str, Any]]:
        """Return all receipts of the demo's source."""
        return list(self.api.rows("receipts/", source=self.source))

    def wait(self, is_over: Callable[[], bool]) -> Iterator[None]:
        """Yield at every look until `is_over`, and once after that. Raises Stalled."""
        seen, since = -1, time.monotonic()
        while not is_over():
            yield
            time.sleep(CHECK_EVERY)
            arrived = self.flaky.statuses.total() + self.gone.statuses.total() + len(self.receipts())
            if arrived != seen:
                seen, since = arrived, time.monotonic()
            elif time.monotonic() - since > STALLED_AFTER:
                raise Stalled(f"nothing has arrived for {STALLED_AFTER:.0f} s; see the platform's log")
        yield


def _start(screen: Screen, stack: ExitStack) -> Platform:
    screen.step("The platform starts: PostgreSQL, Valkey, web, workers, schedule")
    began = time.monotonic()
    platform = stack.enter_context(launched())
    platform.wait_until_ready()
    seconds = time.monotonic() - began
    screen.say(f"   {platform.address}/ after {seconds:.1f} s; data, removed at the end: {platform.data}")
    return platform


def _create_customers(screen: Screen, api: ApiClient, more: Sequence[str]) -> None:
    number = "four" if more else "three"
    screen.step(f"The platform has {number} customers; each is a tenant, with endpoints of its own")
    for uid in (ACME, *OTHERS, *more):
        api.call("PUT", f"tenants/{uid}/", json={"name": uid.capitalize()})


def _subscribe_other(screen: Screen, stack: ExitStack, api: ApiClient) -> OtherTenant:
    """Create the endpoint of another customer, which subscribes to all events too."""
    receiver = Receiver(lambda _number, _attempt: ACCEPTED)
    stack.enter_context(receiver.listening())
    receiver.secret = _create_endpoint(api, receiver.url)["secret"]
    screen.say(f"   {api.tenant:<8} {receiver.url}   accepts; must receive no event of {ACME}")
    return OtherTenant(api, receiver)


def _subscribe(screen: Screen, stack: ExitStack, api: ApiClient) -> DemoTenant:
    failing, gone = Receiver(flaky_status), Receiver(lambda _number, _attempt: GONE)
    for receiver in (failing, gone):
        stack.enter_context(receiver.listening())
    source = api.post("sources/", {"name": "demo", "scheme": "standard", "handlers": [{"handler": "log"}]})
    endpoints = {
        "own": _create_endpoint(api, source["url"], secret=source["secret"]),
        "flaky": _create_endpoint(api, failing.url, retry_plan=RETRY_PLAN),
        "gone": _create_endpoint(api, gone.url),
    }
    failing.secret, gone.secret = endpoints["flaky"]["secret"], endpoints["gone"]["secret"]
    screen.say(f"   {ACME}, three endpoints, each for all of its events:")
    screen.say(f"     own    {source['url']}   our own receiver: verifies, removes duplicates, keeps")
    screen.say(f"     flaky  {failing.url}   fails twice (503, 500), then accepts; retries after 1 s, 1 s, 2 s")
    screen.say(f"     gone   {gone.url}   responds 410 Gone until it is repaired")
    return DemoTenant(api, source["id"], {name: one["id"] for name, one in endpoints.items()}, failing, gone)


def _create_endpoint(api: ApiClient, url: str, **fields: Any) -> Any:
    endpoint = api.post("endpoints/", {"url": url, "description": "demo", **fields})
    api.post("subscriptions/", {"endpoint": endpoint["id"], "event_types": ["*"]})
    return endpoint


def _publish(screen: Screen, tenant: DemoTenant, globex: OtherTenant, published: list[DemoEvent]) -> None:
    """Publish each event once; then the first few, and those that the file repeats, again; and one for Globex."""
    unique = list(dict.fromkeys(published))
    repeats = [*unique[:PUBLISHED_TWICE], *(one for index, one in enumerate(published) if one in published[:index])]
    headline = (
        f"It publishes {len(unique)} events for {ACME}, {len(repeats)} of them a second time, and one for {GLOBEX}"
    )
    screen.step(headline)
    tenant.accepted = {tenant.api.publish(event.text)["id"]: event for event in unique}
    tenant.repeats = len(repeats)
    tenant.duplicates = sum(tenant.api.publish(event.text)["duplicate"] for event in repeats)
    globex.api.publish(json.dumps(FOR_GLOBEX))


def _watch(screen: Screen, tenant: DemoTenant) -> None:
    def bars() -> dict[str, tuple[int, str]]:
        return {
            "own": (len(tenant.receipts()), ""),
            "flaky": (done := tenant.flaky.statuses[ACCEPTED], f"failed {tenant.flaky.statuses.total() - done} times"),
            "gone": (tenant.gone.statuses[ACCEPTED], f"responded {GONE} to {tenant.gone.statuses[GONE]}"),
        }

    screen.watch(tenant.wait(lambda: not tenant.is_waiting("own", "flaky", "gone")), len(tenant.accepted), bars)


def _alert(screen: Screen, tenant: DemoTenant, slack: SlackServer) -> None:
    """Wait until the people on call know of the endpoint that was disabled."""
    for _ in tenant.wait(lambda: slack.count(BEGAN) > 0):
        pass
    screen.say(f"   Slack   {slack.texts[0]}")


def _repair_and_replay(screen: Screen, tenant: DemoTenant, slack: SlackServer) -> None:
    path, chosen = f"endpoints/{tenant.endpoints['gone']}/", {"endpoint": tenant.endpoints["gone"]}
    reason = tenant.api.get(path)["disabled_reason"]
    screen.say(f"   The platform has disabled the last endpoint ({reason}).")
    tenant.gone.respond = lambda _number, _attempt: ACCEPTED
    tenant.api.call("PATCH", path, json={"state": "active"})
    dead = tenant.api.post("replays/preview/", {"filter": chosen})["total"]
    screen.step(f"The endpoint is repaired and enabled, and its {dead} dead letters are replayed")
    replay = tenant.api.post("replays/", {"filter": chosen, "rate": REPLAY_RATE})["id"]

    def is_over() -> bool:
        row = tenant.api.get(f"replays/{replay}/")
        tenant.replayed = row["replayed"]
        return row["state"] == "finished" and not tenant.is_waiting("gone")

    screen.watch(tenant.wait(is_over), dead, lambda: {"gone": (tenant.gone.statuses[ACCEPTED], "")})
    for _ in tenant.wait(lambda: slack.count(ENDED) > 0):
        pass
    screen.say(f"   Slack   {slack.texts[-1]}")


def _observe(tenant: DemoTenant, others: dict[str, OtherTenant], slack: SlackServer, platform: Platform) -> Observed:
    """Fetch what the platform knows, and compare every body with the stored event and with what was published."""
    for _ in tenant.wait(lambda: not any(other.is_waiting() for other in others.values())):
        pass
    api, failing, gone = tenant.api, tenant.flaky, tenant.gone
    receipts = tenant.receipts()
    stored = {event_id: api.stored_event(event_id) for event_id in tenant.accepted}
    kept = {row["message_id"]: api.call("GET", f"receipts/{row['id']}/body/").content for row in receipts}
    sound = [event_id for event_id in stored if event_id not in failing.changed | gone.changed]
    return Observed(
        events=len(tenant.accepted),
        repeats=tenant.repeats,
        duplicates=tenant.duplicates,
        accepted=sum(1 for _ in api.rows("events/")),
        deliveries=list(api.rows("deliveries/")),
        flaky_id=tenant.endpoints["flaky"],
        dead_letters=sum(1 for _ in api.rows("dead-letters/")),
        replayed=tenant.replayed,
        receipts=receipts,
        stored_bytes=platform.stored_bytes(),
        statuses=failing.statuses + gone.statuses,
        same_bodies=sum(each.get(one) == stored[one] for each in (kept, failing.bodies, gone.bodies) for one in sound),
        same_data=sum(data_of(stored[one]) == data_of(event.text) for one, event in tenant.accepted.items()),
        at_globex=others[GLOBEX].receiver.statuses.total(),
        at_initech=others[INITECH].receiver.statuses.total(),
        alerts_firing=slack.count(BEGAN),
        alerts_resolved=slack.count(ENDED),
    )


def _stay(screen: Screen, platform: Platform, tenant: DemoTenant, key: str) -> None:
    where = {"address": platform.address, "log": platform.log, "password": platform.admin_password()}
    screen.say("\nThe platform stays up until Ctrl-C:", style="bold")
    screen.say(INVITATION.format(**where, key=key, source=tenant.source))
    try:
        while True:
            platform.check()
            time.sleep(CHECK_EVERY)
    except KeyboardInterrupt:
        screen.say("\nStopping ...")
