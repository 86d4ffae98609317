"""What must hold once all is quiet, whatever was broken in between: the promises of the ledger, one check each.

Three books are compared: the publisher's (what was promised), the sink's (what came), and the platform's tables.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import psycopg

from tests.faults.house import House, command_of
from tests.faults.publisher import Book
from tests.faults.sink import Line
from webhooks.wire.ids import public

OWED = """
SELECT v.id, v.event_id, substring(ep.url from '[^/]*$'), d.state,
       (SELECT count(*) FROM delivery_deadletter l WHERE l.delivery_id = d.id AND l.replayed_at IS NULL),
       (SELECT count(*) FROM delivery_attempt a WHERE a.delivery_id = d.id AND a.error = ''),
       (SELECT count(*) FROM delivery_attempt a WHERE a.delivery_id = d.id AND a.status IS NULL)
  FROM delivery_event v
  JOIN subscriptions_endpoint ep ON true
  LEFT JOIN delivery_delivery d ON d.event_id = v.id AND d.endpoint_id = ep.id
 WHERE v.event_id LIKE '{name}-%'
"""
UNQUIET = """
SELECT 'delivery ' || id || ' is ' || state FROM delivery_delivery WHERE state IN ('pending', 'sending')
UNION ALL
SELECT 'lane ' || endpoint_id || ' has the owner ' || owner FROM delivery_lane WHERE owner IS NOT NULL
UNION ALL
SELECT 'lane ' || endpoint_id || ' is endpoint_inactive' FROM delivery_lane WHERE endpoint_inactive
LIMIT 5
"""


class Owed(NamedTuple):
    """What the tables say of one event at one endpoint. ``letters`` are open dead letters, ``acknowledged`` and
    ``unanswered`` attempts; of the latter nobody knows whether they arrived."""

    message_id: str
    event_id: str
    path: str
    state: str | None
    letters: int
    acknowledged: int
    unanswered: int


@dataclass(frozen=True)
class Report:
    """``lost``: promised, and neither received nor dead. ``copies``: requests beyond the first of each."""

    lost: int
    copies: int
    breaches: list[str]


def unquiet(house: House) -> list[str]:
    """What is still to be done, in words; empty: all is quiet."""
    strays = [f"left behind: {command}" for process in house.strays() if (command := command_of(process))]
    try:
        return strays + [text for (text,) in house.sql(UNQUIET)]
    except psycopg.OperationalError as error:  # it recovers
        return [*strays, str(error)]


def owed(house: House, name: str) -> list[Owed]:
    """What the tables say of the events whose ids begin with this name, for every endpoint."""
    rows = house.sql(OWED.format(name=name))
    return [Owed(public("evt", key), event_id, f"/{last}", *rest) for key, event_id, last, *rest in rows]


def check(book: Book, lines: list[Line], tables: list[Owed], copies_allowed: int) -> Report:
    """Compare the three books of one run."""
    came = Counter((line.message_id, line.path) for line in lines)
    copies = sum(count - 1 for count in came.values())
    lost = [it for it in tables if it.event_id in book.promised and not came[it.message_id, it.path] and not it.letters]
    breaches = [
        *(f"lost: {it}" for it in lost),
        *_promises(book, tables),
        *_history(tables, came),
        *_requests(lines, {it.message_id for it in tables}),
        *_answers(book),
    ]
    if copies > copies_allowed:
        unanswered = sum(it.unanswered for it in tables)
        breaches.append(f"{copies} copies, where this fault can cause {copies_allowed}; {unanswered} had no response")
    return Report(len(lost), copies, breaches)


def _promises(book: Book, tables: list[Owed]) -> Iterator[str]:
    taken = {it.event_id: it.message_id for it in tables}
    for event_id, message_id in book.promised.items():
        if taken.get(event_id) != message_id:
            yield f"promised {event_id} as {message_id}, but it is {taken.get(event_id)}"
    for event_id in book.refused & taken.keys():
        yield f"refused {event_id}, and took it all the same"


def _history(tables: list[Owed], came: Counter[tuple[str, str]]) -> Iterator[str]:
    """Every request that came has an attempt, and the other way round but for those whose end nobody saw."""
    for it in tables:
        arrived = came[it.message_id, it.path]
        if not it.acknowledged <= arrived <= it.acknowledged + it.unanswered:
            yield f"came {arrived} times, which is not what the history says: {it}"
        if (it.state, it.letters) not in (("delivered", 0), ("dead", 1)):
            yield f"neither delivered nor dead: {it}"
        if it.state == "delivered" and not it.acknowledged:
            yield f"delivered, but nobody has acknowledged it: {it}"


def _requests(lines: list[Line], known: set[str]) -> Iterator[str]:
    digests: dict[str, set[str]] = defaultdict(set)
    for line in lines:
        digests[line.message_id].add(line.digest)
        if line.message_id not in known:
            yield f"came, and was never taken: {line}"
        if not line.verified:
            yield f"the signature does not verify: {line}"
    yield from (f"not the same bytes each time: {key}" for key, found in digests.items() if len(found) > 1)


def _answers(book: Book) -> Iterator[str]:
    yield from (f"an odd response: {item}" for item in book.odd)
    for status in {it.status for it in book.asked} - {202, 503, None}:
        yield f"publishing was answered {status}"
