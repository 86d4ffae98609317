"""A customer of the demo: a tenant with three endpoints, and what can be seen of them from outside."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from config.local.demo.given import Given
from config.local.demo.listeners import Gone, Listener, Stumbling
from config.local.demo.stranger import Refused, Stranger

__all__ = ["Customer", "Stalled", "open_account", "publish"]

PLAN = [1, 1, 2]  # seconds to wait after each failure of the one that stumbles
BATCH_EVENTS, BATCH_CHARACTERS = 100, 4_000_000  # of one publish; a request may have 16 MiB
LOOK_EVERY = 0.2  # seconds
PATIENCE = 120.0  # seconds in which nothing at all changes
REPLAY_RATE = 500  # per second


class Stalled(Exception):
    """Nothing moves any more; the message is one line."""


@dataclass
class Customer:
    """``own`` is the endpoint that leads to the platform's receiver; ``ids`` names the endpoints by their names."""

    api: Stranger
    source: str
    own_url: str
    stumbling: Stumbling
    gone: Gone
    ids: dict[str, str]
    receipts: list[dict[str, Any]] = field(default_factory=list)

    @property
    def listeners(self) -> tuple[Listener, Listener]:
        return self.stumbling, self.gone

    def see(self) -> None:
        """Take note of what our receiver has kept by now."""
        self.receipts = list(self.api.rows("receipts/", source=self.source))

    def owed(self, *names: str) -> bool:
        """Whether anything is still to be delivered to the endpoints of these names."""
        return any(
            self.api.get("deliveries/", endpoint=self.ids[name], state=state, limit=1)["data"]
            for name in names
            for state in ("pending", "sending")
        )

    def dead_letters(self) -> int:
        """How many dead letters a replay for the endpoint that is gone would bring back."""
        return int(self.api.post("replays/preview/", {"filter": {"endpoint": self.ids["gone"]}})["total"])

    def disabled_reason(self) -> str:
        """Why the platform has switched off the endpoint that is gone; empty: it has not."""
        return str(self.api.get(f"endpoints/{self.ids['gone']}/")["disabled_reason"])

    def repair(self) -> None:
        """The endpoint that was gone answers again, and is switched on."""
        self.gone.repaired = True
        self.api.patch(f"endpoints/{self.ids['gone']}/", {"state": "active"})

    def replay(self) -> str:
        """Bring its dead letters back. The replay's id."""
        wanted = {"filter": {"endpoint": self.ids["gone"]}, "rate": REPLAY_RATE}
        return str(self.api.post("replays/", wanted)["id"])

    def replayed(self, replay: str) -> int | None:
        """How many dead letters the replay brought back, once it has finished."""
        row = self.api.get(f"replays/{replay}/")
        return int(row["replayed"]) if row["state"] == "finished" else None

    def wait(self, until: Callable[[], bool]) -> Iterator[None]:
        """Look again and again, until so; each look yields. Raises Stalled."""
        seen, since = self._seen(), time.monotonic()
        while not until():
            self.see()
            yield
            time.sleep(LOOK_EVERY)
            if self._seen() != seen:
                seen, since = self._seen(), time.monotonic()
            elif time.monotonic() - since > PATIENCE:
                raise Stalled(f"nothing has arrived for {PATIENCE:.0f} s; the platform's log says more")
        self.see()
        yield

    def _seen(self) -> tuple[int, ...]:
        return len(self.receipts), *(listener.requests for listener in self.listeners)


def open_account(api: Stranger, stumbling: Stumbling, gone: Gone) -> Customer:
    """A source of the platform's own receiver and three endpoints, each with a subscription to everything."""
    source = api.post("sources/", {"name": "demo", "scheme": "standard", "handlers": [{"handler": "log"}]})
    ids = {"own": _endpoint(api, source["url"], secret=source["secret"])["id"]}
    for listener, more in ((stumbling, {"retry_plan": PLAN}), (gone, {})):
        made = _endpoint(api, listener.url, **more)
        listener.secret, ids[listener.name] = made["secret"], made["id"]
    return Customer(api, source["id"], source["url"], stumbling, gone, ids)


def _endpoint(api: Stranger, url: str, **fields: Any) -> dict[str, Any]:
    endpoint = api.post("endpoints/", {"url": url, "description": "demo", **fields})
    api.post("subscriptions/", {"endpoint": endpoint["id"], "event_types": ["*"]})
    return endpoint


def publish(api: Stranger, events: Iterable[Given]) -> Iterator[tuple[Given, dict[str, Any]]]:
    """Publish in batches; each event with what became of it. Raises Refused naming the first that was refused."""
    for batch in _batches(events):
        results = api.publish([event.text for event in batch])
        for event, result in zip(batch, results, strict=True):
            if "error" in result:
                raise Refused(f"{event.place} was refused: {result['error']['detail']}")
            yield event, result


def _batches(events: Iterable[Given]) -> Iterator[list[Given]]:
    batch: list[Given] = []
    size = 0
    for event in events:
        if batch and (len(batch) == BATCH_EVENTS or size + len(event.text) > BATCH_CHARACTERS):
            yield batch
            batch, size = [], 0
        batch.append(event)
        size += len(event.text)
    if batch:
        yield batch
