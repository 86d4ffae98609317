"""Select receipts: the conditions that the list of receipts and its replays have in common.

A replay stores its filter as JSON: by name a text, a boolean, an object of labels, an instant in ISO 8601, or a public
id. A text that is searched for has the name that ``text_condition`` returns.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from django.db.models import Q

from webhooks.kit.rest.list_filters import contains
from webhooks.kit.rows import matches_type
from webhooks.models import Source
from webhooks.sources.source_stats import STATES, UNHANDLED
from webhooks.wire.ids import first_id_at, parse

LABELS = ("message_id", "event_type", "order_key")
of_event_type = partial(matches_type, "event_type")


def text_condition(*, sees_payloads: bool) -> str:
    """Return the name of the condition for a text that a caller searches for.

    An error may quote a payload, and finding is seeing: who may not see payloads searches the labels only.
    """
    return "q" if sees_payloads else "q_labels"


def of_state(name: str) -> Q:
    """Return the condition for a state."""
    return STATES[name]


def is_unhandled(value: bool) -> Q:
    """Return the condition that a receipt was processed and matched no handler of its source, or that it was not."""
    return UNHANDLED if value else ~UNHANDLED


CONDITIONS: Mapping[str, Callable[[Any], Q]] = {
    "state": of_state,
    "event_type": of_event_type,
    "message_id": lambda text: Q(message_id=text),
    "order_key": lambda text: Q(order_key=text),
    "q": contains(*LABELS, "last_error"),
    "q_labels": contains(*LABELS),
    "cause": lambda name: Q(cause=name),
    "out_of_order": lambda value: Q(out_of_order=value),
    "unhandled": is_unhandled,
    "skipped": lambda value: Q(skipped=value),
    "since": lambda text: Q(id__gte=first_id_at(datetime.fromisoformat(text))),
    "until": lambda text: Q(id__lt=first_id_at(datetime.fromisoformat(text))),
}
SOURCE_CONDITIONS: Mapping[str, Callable[[Any], Q]] = {
    "source": lambda text: Q(id=parse(Source.prefix, text)),
    "labels": lambda labels: Q(labels__contains=labels),
}
_INDEXED = ("message_id", "since", "until")  # among the receipts of one source, in the order of their ids


class ReceiptFilter:
    """Select receipts by the conditions of the list, all of which have to be met."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = dict(given)

    def as_json(self) -> dict[str, Any]:
        """Return the filter as it is stored."""
        return dict(self._given)

    @property
    def limits_sources(self) -> bool:
        """Return whether only receipts of some sources are selected."""
        return not SOURCE_CONDITIONS.keys().isdisjoint(self._given)

    def sources(self) -> Q:
        """Return the conditions for the sources of the receipts."""
        return _combined(SOURCE_CONDITIONS, self._given, self._given)

    def condition(self) -> Q:
        """Return the conditions for the receipts of these sources."""
        return _combined(CONDITIONS, self._given, self._given)

    def indexed(self) -> Q:
        """Return those conditions that an index serves, together with the order of a source's receipts by their ids."""
        is_dead = self._given.get("state") == "dead"
        return _combined(CONDITIONS, self._given, (*_INDEXED, "state") if is_dead else _INDEXED)


def _combined(conditions: Mapping[str, Callable[[Any], Q]], given: Mapping[str, Any], names: Iterable[str]) -> Q:
    combined = Q()
    for name in names:
        if name in given and name in conditions:
            combined &= conditions[name](given[name])
    return combined
