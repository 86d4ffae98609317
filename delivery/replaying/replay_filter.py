"""What a replay or a cancellation is about, as its asker wrote it: a filter. What is empty does not narrow.

The JSON form is the same over REST, in the admin, on the command line and in the row of a replay.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Self
from uuid import UUID

from django.utils.dateparse import parse_datetime

from delivery.models import DeadLetter, Delivery, Event, Replay
from subscriptions.models import Endpoint, Tenant
from webhooks.wire.ids import parse, public

__all__ = ["DELIVERIES", "Filter"]

MOST_IDS = 10_000
DELIVERIES = "deliveries"  # what a cancellation is of
PREFIXES = {Replay.Of.DEAD_LETTERS: DeadLetter.prefix, DELIVERIES: Delivery.prefix}  # of ids; else events'

Reader = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows. ``since`` and ``until`` are about when letters died, and about when events were published;
    ``force``: also what the endpoint's subscriptions do not ask for."""

    ids: tuple[UUID, ...] = ()
    endpoint: UUID | None = None
    cause: str = ""
    type: str = ""
    source: str = ""
    subject: str = ""
    since: datetime | None = None
    until: datetime | None = None
    force: bool = False
    of: str = field(default=Replay.Of.DEAD_LETTERS, kw_only=True)

    @classmethod
    def parse(cls, given: Mapping[str, Any], of: str = Replay.Of.DEAD_LETTERS, tenant: Tenant | None = None) -> Self:
        """From its JSON form, with ids as the outside sees them, and an endpoint also by the uid its tenant gave it.

        Raises ValueError with the field's name first.
        """
        if not isinstance(given, Mapping):
            raise ValueError("filter", "is not an object")
        readers = _readers(of, tenant)
        for name in given.keys() - readers.keys():
            raise ValueError(name, "is not a field of this filter")
        fields: dict[str, Any] = {}
        for name, value in given.items():
            if value is None or value == "":
                continue
            try:
                fields[name] = readers[name](value)
            except (TypeError, ValueError) as error:
                raise ValueError(name, str(error)) from None
        return cls(**fields, of=of)

    def as_json(self) -> dict[str, Any]:
        prefix = PREFIXES.get(self.of, Event.prefix)
        written = {
            "ids": [public(prefix, key) for key in self.ids],
            "endpoint": public(Endpoint.prefix, self.endpoint) if self.endpoint else None,
            "cause": self.cause,
            "type": self.type,
            "source": self.source,
            "subject": self.subject,
            "since": self.since.isoformat() if self.since else None,
            "until": self.until.isoformat() if self.until else None,
            "force": self.force,
        }
        return {name: value for name, value in written.items() if value}


def _readers(of: str, tenant: Tenant | None) -> dict[str, Reader]:
    readers: dict[str, Reader] = {
        "ids": partial(_ids, PREFIXES.get(of, Event.prefix)),
        "endpoint": partial(_endpoint, tenant),
        "type": _text,
        "since": _instant,
        "until": _instant,
    }
    if of == Replay.Of.DEAD_LETTERS:
        return {**readers, "cause": _cause}
    if of == DELIVERIES:
        return readers
    return {**readers, "source": _text, "subject": _text, "force": _flag}


def _ids(prefix: str, value: Any) -> tuple[UUID, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_IDS:
        raise ValueError(f"is not a list of 1 to {MOST_IDS} ids")  # an empty selection must not mean everything
    return tuple(parse(prefix, _text(item)) for item in value)


def _endpoint(tenant: Tenant | None, value: Any) -> UUID:
    text = _text(value)
    if text.startswith(f"{Endpoint.prefix}_") or tenant is None:
        return parse(Endpoint.prefix, text)
    key = Endpoint.objects.filter(tenant=tenant, uid=text, deleted_at=None).values_list("id", flat=True).first()
    if key is None:
        raise ValueError("is neither the id nor the uid of an endpoint")
    return key


def _cause(value: Any) -> str:
    if value not in DeadLetter.Cause.values:
        raise ValueError(f"is none of {', '.join(DeadLetter.Cause.values)}")
    return str(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("is neither true nor false")
    return value


def _instant(value: Any) -> datetime:
    moment = parse_datetime(_text(value))
    if moment is None or moment.tzinfo is None:
        raise ValueError("is not a time with an offset, as in 2030-01-31T12:00:00Z")
    return moment


def _text(value: Any) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError("is not a text")
    return value
