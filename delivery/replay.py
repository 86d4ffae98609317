"""Bring dead letters back: count first, then at a rate, in slices, until done or cancelled.

A replay is a row; whoever asks for one (REST, the admin, the command line) only creates it. ``run_slices`` carries
all running ones a bit further whenever it is called, from any process: a slice and the place it has reached are
written in one transaction, so a crash repeats nothing and skips nothing. A dead letter is brought back once: the
guard is its own ``redriven_at``, so a second click, a second replay or a second admin changes nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from delivery import ledger, telemetry, wake
from delivery.models import DeadLetter, Replay
from subscriptions.models import Tenant
from subscriptions.routes import Routes, current_routes
from webhooks.protocol.ids import parse, public
from webhooks.protocol.jsonformat import read_structured
from webhooks.protocol.transform import Unrenderable

__all__ = ["Filter", "cancel", "matching", "preview", "replay", "run_slices"]

SLICE = 500  # dead letters in one transaction
BURST = 2.0  # seconds of the rate that may be made up for at once: the period of beat
MOST_IDS = 10_000
MOST_RATE = 10_000  # per second
RUNNING, FINISHED, CANCELLED = Replay.State.RUNNING, Replay.State.FINISHED, Replay.State.CANCELLED


@dataclass(frozen=True, slots=True)
class Filter:
    """Which dead letters; what is empty does not narrow. ``since`` and ``until`` are about when they died."""

    ids: tuple[UUID, ...] = ()
    endpoint: UUID | None = None
    cause: str = ""
    type: str = ""
    since: datetime | None = None
    until: datetime | None = None

    @classmethod
    def parse(cls, given: dict[str, Any]) -> Self:
        """From its JSON form, with ids as the outside sees them. Raises ValueError with the field's name first."""
        if not isinstance(given, dict):
            raise ValueError("filter", "is not an object")
        for name in given.keys() - READERS.keys():
            raise ValueError(name, "is not a field of a filter")
        fields: dict[str, Any] = {}
        for name, value in given.items():
            if value in (None, ""):
                continue
            try:
                fields[name] = READERS[name](value)
            except (TypeError, ValueError) as error:
                raise ValueError(name, str(error)) from None
        return cls(**fields)

    def as_json(self) -> dict[str, Any]:
        written = {
            "ids": [public("dl", key) for key in self.ids],
            "endpoint": public("ep", self.endpoint) if self.endpoint else None,
            "cause": self.cause,
            "type": self.type,
            "since": self.since.isoformat() if self.since else None,
            "until": self.until.isoformat() if self.until else None,
        }
        return {name: value for name, value in written.items() if value}


def _ids(value: Any) -> tuple[UUID, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_IDS:
        raise ValueError(f"is not a list of 1 to {MOST_IDS} ids")  # an empty selection must not mean everything
    return tuple(parse("dl", _text(item)) for item in value)


def _cause(value: Any) -> str:
    if value not in DeadLetter.Cause.values:
        raise ValueError(f"is none of {', '.join(DeadLetter.Cause.values)}")
    return str(value)


def _instant(value: Any) -> datetime:
    moment = parse_datetime(_text(value))
    if moment is None or moment.tzinfo is None:
        raise ValueError("is not a time with an offset, as in 2030-01-31T12:00:00Z")
    return moment


def _text(value: Any) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError("is not a text")
    return value


READERS = {
    "ids": _ids,
    "endpoint": lambda value: parse("ep", _text(value)),
    "cause": _cause,
    "type": _text,
    "since": _instant,
    "until": _instant,
}


def matching(tenant: Tenant | None, wanted: Filter) -> QuerySet[DeadLetter]:
    """The open dead letters a filter means, of a tenant or (None) of all. Those of deleted endpoints stay dead."""
    letters = DeadLetter.objects.filter(redriven_at=None, endpoint__deleted_at=None)
    conditions = {
        "tenant": tenant,
        "id__in": wanted.ids,
        "endpoint": wanted.endpoint,
        "cause": wanted.cause,
        "delivery__event__type": wanted.type,
        "died_at__gte": wanted.since,
        "died_at__lt": wanted.until,
    }
    return letters.filter(**{name: value for name, value in conditions.items() if value})


def preview(tenant: Tenant | None, wanted: Filter) -> int:
    """How many dead letters a replay with this filter would bring back now."""
    return matching(tenant, wanted).count()


def replay(tenant: Tenant | None, wanted: Filter, *, rate: int = 100, by: str) -> Replay:
    """Start to bring back what matches now, ``rate`` per second at most. ``by`` is written into each letter."""
    if not 1 <= rate <= MOST_RATE:
        raise ValueError("rate", f"is not from 1 to {MOST_RATE} per second")
    row = Replay.objects.create(
        tenant=tenant,
        filter=wanted.as_json(),
        rate=rate,
        total=preview(tenant, wanted),
        until_at=timezone.now(),
        requested_by=by[:256],
    )
    transaction.on_commit(lambda: wake.call("delivery.replay_slices", "default"))
    telemetry.replay_started(row)
    return row


def cancel(row: Replay) -> bool:
    """Bring back nothing more. What is back already goes its way. False: it had ended before."""
    changed = Replay.objects.filter(id=row.id, state=RUNNING).update(state=CANCELLED, finished_at=timezone.now())
    return changed > 0


def run_slices() -> None:
    """Carry every running replay as far as its rate allows by now."""
    for key in list(Replay.objects.filter(state=RUNNING).order_by("id").values_list("id", flat=True)):
        while _run_slice(key):
            pass


def _run_slice(key: UUID) -> bool:
    """One slice of one replay, unless somebody else is at it. True if more may follow at once."""
    with transaction.atomic():
        row = Replay.objects.select_for_update(skip_locked=True).filter(id=key, state=RUNNING).first()
        if row is None:
            return False
        now = timezone.now()
        budget = min(_budget(row, now), SLICE)
        if budget == 0:
            return False
        letters = _next_letters(row, budget)
        endpoints, count = _redrive(row, letters)
        row.cursor = letters[-1].id if letters else row.cursor
        row.replayed += count
        row.sliced_at = max(row.sliced_at or row.created_at, now - timedelta(seconds=BURST))
        row.sliced_at += timedelta(seconds=len(letters) / row.rate)
        if len(letters) < budget:
            row.state, row.finished_at = FINISHED, now
        row.save(update_fields=["cursor", "replayed", "sliced_at", "state", "finished_at"])
    if endpoints:
        wake.ring(endpoints)
    return row.state == RUNNING


def _budget(row: Replay, now: datetime) -> int:
    """How many may be brought back now. ``sliced_at`` is where the replay stands in time, as in a rate limit."""
    since = row.sliced_at or row.created_at - timedelta(seconds=1)
    return max(0, int(min((now - since).total_seconds(), BURST) * row.rate))


def _next_letters(row: Replay, most: int) -> list[DeadLetter]:
    letters = matching(row.tenant, Filter.parse(row.filter)).filter(died_at__lte=row.until_at)
    if row.cursor is not None:
        letters = letters.filter(id__gt=row.cursor)
    # Waits for a letter that another replay has in hand: should that one fail, it is ours to bring back.
    return list(letters.select_for_update(of=("self",)).order_by("id")[:most])


def _redrive(row: Replay, letters: list[DeadLetter]) -> tuple[set[UUID], int]:
    """Bring these back. Their endpoints, and how many."""
    endpoints = ledger.redrive(row.id, row.requested_by, list(_with_bytes(letters)))
    return set(endpoints), len(endpoints)


def _with_bytes(letters: list[DeadLetter]) -> Iterator[tuple[UUID, bytes | None]]:
    """The letters that can go, each with its new bytes (None: those it has). What died because it could not be
    rendered goes by its subscription as it is now, and stays where it is if that is no better."""
    pictures: dict[UUID, Routes] = {}
    for it in letters:
        body = None
        if it.cause == DeadLetter.Cause.UNRENDERABLE:
            if it.tenant_id not in pictures:
                pictures[it.tenant_id] = current_routes(it.tenant_id)
            try:
                body = _rendered(it, pictures[it.tenant_id])
            except Unrenderable:
                continue
        yield it.id, body


def _rendered(letter: DeadLetter, picture: Routes) -> bytes | None:
    """None: without a transformer it goes as it was published. Raises Unrenderable, also if nobody wants it now."""
    event = read_structured(bytes(letter.delivery.event.body))
    for route in picture.find(event.attributes["type"], event.document):
        if route.endpoint_id == letter.endpoint_id:
            return None if route.transformer is None else route.transformer.render(event.document())
    raise Unrenderable("no subscription of its endpoint wants it")
