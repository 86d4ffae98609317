"""Parse the filter of a replay or of a cancellation; an empty field does not narrow.

The JSON form is the same in the REST API, the admin, the command line and the stored replay.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Self
from uuid import UUID

from django.utils.dateparse import parse_datetime

from delivery.models import DeadLetter, Delivery, Event, Replay
from subscriptions.models import Endpoint, Tenant
from webhooks.kit.rest.labels import check_labels
from webhooks.kit.rows import KeyedRow
from webhooks.wire.errors import did_you_mean
from webhooks.wire.ids import parse, public

MAX_IDS = 10_000
MAX_UNKNOWN = 10  # fields that are named: finding what each resembles takes about 0.1 ms
DELIVERIES = "deliveries"  # the scope of a cancellation
MODELS: Mapping[str, type[KeyedRow]] = {Replay.Scope.DEAD_LETTERS: DeadLetter, DELIVERIES: Delivery}
"""The tables that ids of a scope are of; those of all other scopes are of events."""

UNCLOSED = (DeadLetter.State.OPEN.value, DeadLetter.State.ACKNOWLEDGED.value)  # states that can be replayed

Reader = Callable[[Any], Any]


class FilterFault(ValueError):
    """Signal that one field of a filter is invalid. ``code``: the machine code of the fault."""

    def __init__(self, reason: str, code: str = "invalid") -> None:
        super().__init__(reason)
        self.code = code


class InvalidFilter(ValueError):
    """Signal that a filter has faults. ``faults``: those by field; the arguments are field and reason of the first."""

    def __init__(self, faults: Mapping[str, FilterFault]) -> None:
        name, fault = next(iter(faults.items()))
        super().__init__(name, str(fault))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class ReplayFilter:
    """Select rows of one scope.

    ``since`` (included) and ``until`` apply to the time at which dead letters failed permanently, and to the time of
    publishing of events. ``attempted_since`` and ``attempted_until``: deliveries of which an attempt failed in this
    period, which is when the receiver had its outage. ``state``: dead letters that are open, or acknowledged.
    ``labels``: only endpoints that have all of them. ``force``: send to the endpoint even if it does not subscribe to
    the event.
    """

    ids: tuple[UUID, ...] = ()
    endpoint: UUID | None = None
    cause: str = ""
    type: str = ""
    source: str = ""
    subject: str = ""
    since: datetime | None = None
    until: datetime | None = None
    attempted_since: datetime | None = None
    attempted_until: datetime | None = None
    state: str = ""
    force: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    scope: str = field(default=Replay.Scope.DEAD_LETTERS, kw_only=True)

    @classmethod
    def parse(
        cls, given: Mapping[str, Any], scope: str = Replay.Scope.DEAD_LETTERS, tenant: Tenant | None = None
    ) -> Self:
        """Read the JSON form, with public ids.

        Within a tenant, an endpoint may also be named by its uid, and events by their own ids, and an id that no row of
        the tenant has is a fault. Raises InvalidFilter.
        """
        if not isinstance(given, Mapping):
            raise InvalidFilter({"filter": FilterFault("must be an object")})
        readers = _readers(scope, tenant)
        unknown = sorted(given.keys() - readers.keys())[:MAX_UNKNOWN]
        faults = {name: _unknown_field(name, readers) for name in unknown}
        fields: dict[str, Any] = {}
        for name, value in given.items():
            if name not in readers or value is None or value == "":
                continue
            try:
                fields[name] = readers[name](value)
            except FilterFault as fault:
                faults[name] = fault
            except (TypeError, ValueError) as error:
                faults[name] = FilterFault(str(error))
        if faults:
            raise InvalidFilter(faults)
        return cls(**fields, scope=scope)

    @property
    def is_empty(self) -> bool:
        """Return whether no condition narrows the selection."""
        return not self.as_json()

    def as_json(self) -> dict[str, Any]:
        """Return the JSON form without empty fields."""
        prefix = MODELS.get(self.scope, Event).prefix
        written = {
            "ids": [public(prefix, key) for key in self.ids],
            "endpoint": public(Endpoint.prefix, self.endpoint) if self.endpoint else None,
            "cause": self.cause,
            "type": self.type,
            "source": self.source,
            "subject": self.subject,
            "since": self.since.isoformat() if self.since else None,
            "until": self.until.isoformat() if self.until else None,
            "attempted_since": self.attempted_since.isoformat() if self.attempted_since else None,
            "attempted_until": self.attempted_until.isoformat() if self.attempted_until else None,
            "state": self.state,
            "force": self.force,
            "labels": dict(self.labels),
        }
        return {name: value for name, value in written.items() if value}


def _unknown_field(name: str, known: Collection[str]) -> FilterFault:
    meant = did_you_mean(name, known)
    names = f"its fields are {', '.join(sorted(known))}"
    return FilterFault(f"is not a field of this filter; {f'{meant} {names}' if meant else names}", "unknown")


def _readers(scope: str, tenant: Tenant | None) -> dict[str, Reader]:
    readers: dict[str, Reader] = {
        "ids": partial(_ids, MODELS[scope], tenant) if scope in MODELS else partial(_event_ids, scope, tenant),
        "endpoint": partial(_endpoint, tenant),
        "labels": _labels,
        "type": _text,
        "since": _time,
        "until": _time,
    }
    if scope == Replay.Scope.DEAD_LETTERS:
        periods: dict[str, Reader] = {"attempted_since": _time, "attempted_until": _time}
        return {**readers, **periods, "cause": _cause, "state": _state}
    if scope == DELIVERIES:
        return readers
    return {**readers, "source": _text, "subject": _text, "force": _boolean}


def _id_texts(value: Any) -> list[str]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_IDS:  # an empty list must not select everything
        raise ValueError(f"must be an array of 1 to {MAX_IDS} ids")
    return [_text(item) for item in value]


def _ids(model: type[KeyedRow], tenant: Tenant | None, value: Any) -> tuple[UUID, ...]:
    keys = {text: parse(model.prefix, text) for text in _id_texts(value)}
    if tenant is not None:
        _refuse_unknown(model, tenant, keys)
    return tuple(keys.values())


def _event_ids(scope: str, tenant: Tenant | None, value: Any) -> tuple[UUID, ...]:
    """Return the keys of events, each named by our id or, within a tenant, by its own."""
    if tenant is None:
        return _ids(Event, None, value)
    keys: dict[str, UUID | None] = {}
    for text in _id_texts(value):
        try:
            keys[text] = parse(Event.prefix, text)
        except ValueError:
            keys[text] = None
    own = [text for text, key in keys.items() if key is None]
    for key, text in Event.objects.filter(tenant=tenant, event_id__in=own).values_list("id", "event_id"):
        if keys[text] is not None:
            raise ValueError(f"several events have the id {text!r}, from different sources; give their evt_ ids")
        keys[text] = key
    if scope != Replay.Scope.ARCHIVED:  # whose events are not in the table
        _refuse_unknown(Event, tenant, keys)
    elif unknown := [text for text, key in keys.items() if key is None]:
        raise _unknown_ids(Event, unknown)
    return tuple(key for key in keys.values() if key is not None)


def _refuse_unknown(model: type[KeyedRow], tenant: Tenant, keys: Mapping[str, UUID | None]) -> None:
    """Raise FilterFault unless each of these ids, with its key, is that of a row of the tenant."""
    rows: Any = model._default_manager
    known = set(rows.filter(tenant=tenant, pk__in=[it for it in keys.values() if it]).values_list("pk", flat=True))
    if unknown := [text for text, key in keys.items() if key not in known]:
        raise _unknown_ids(model, unknown)


def _unknown_ids(model: type[KeyedRow], unknown: Sequence[str]) -> FilterFault:
    more = f", nor with {len(unknown) - 1:,} more of these ids" if len(unknown) > 1 else ""
    return FilterFault(f"there is no {model._meta.verbose_name} with the id {unknown[0]!r}{more}", "unknown")


def _endpoint(tenant: Tenant | None, value: Any) -> UUID:
    text = _text(value)
    if tenant is None:
        return parse(Endpoint.prefix, text)
    rows = Endpoint.objects.filter(tenant=tenant)
    if text.startswith(f"{Endpoint.prefix}_"):
        rows = rows.filter(id=parse(Endpoint.prefix, text))
    else:
        rows = rows.filter(uid=text, deleted_at=None)
    key = rows.values_list("id", flat=True).first()
    if key is None:
        raise FilterFault("is neither the id nor the uid of an endpoint", "unknown")
    return key


def _labels(value: Any) -> dict[str, str]:
    try:
        return check_labels(value)
    except ValueError as error:
        message = str(error)
        raise ValueError(message[0].lower() + message[1:]) from None


def _cause(value: Any) -> str:
    if value not in DeadLetter.Cause.values:
        raise FilterFault(f"must be one of {', '.join(DeadLetter.Cause.values)}", "invalid_choice")
    return str(value)


def _state(value: Any) -> str:
    if value not in UNCLOSED:
        raise FilterFault(f"must be one of {', '.join(UNCLOSED)}", "invalid_choice")
    return str(value)


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _time(value: Any) -> datetime:
    moment = parse_datetime(_text(value))
    if moment is None or moment.tzinfo is None:
        raise ValueError("must be a time with an offset, like 2030-01-31T12:00:00Z")
    return moment


def _text(value: Any) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError("must be a string without null characters")
    return value
