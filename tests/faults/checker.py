"""Check the delivery guarantees after a fault, once no work is left.

Three records are compared: the publisher's (accepted events), the sink's (received requests), and the tables.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import psycopg

from tests.faults.publisher import PublishLog
from tests.faults.running_platform import Platform, command_of
from tests.faults.sink import RecordedRequest
from webhooks.wire.ids import public

EXPECTED_DELIVERIES = """
SELECT v.id, v.event_id, substring(http.url from '[^/]*$'), d.state,
       (SELECT count(*) FROM delivery_deadletter l WHERE l.delivery_id = d.id AND l.closed_at IS NULL),
       (SELECT count(*) FROM delivery_attempt a WHERE a.delivery_id = d.id AND a.error = ''),
       (SELECT count(*) FILTER (WHERE a.status IS NULL)
               + coalesce(sum(cardinality(string_to_array(a.repeats, ','))), 0)
          FROM delivery_attempt a WHERE a.delivery_id = d.id)
  FROM delivery_event v
  JOIN subscriptions_endpoint ep ON true
  JOIN subscriptions_httpsettings http ON http.endpoint_id = ep.id
  LEFT JOIN delivery_delivery d ON d.event_id = v.id AND d.endpoint_id = ep.id
 WHERE v.event_id LIKE '{name}-%'
"""
UNFINISHED_WORK = """
SELECT 'delivery ' || id || ' is ' || state FROM delivery_delivery WHERE state IN ('pending', 'sending')
UNION ALL
SELECT 'lane ' || endpoint_id || ' has the owner ' || owner FROM delivery_lane WHERE owner IS NOT NULL
UNION ALL
SELECT 'event ' || event_id || ' is not routed' FROM delivery_deferredfanout
UNION ALL
SELECT 'lane ' || endpoint_id || ' has an inactive endpoint' FROM delivery_lane WHERE endpoint_inactive
LIMIT 5
"""


class ExpectedDelivery(NamedTuple):
    """One event at one endpoint, from the tables.

    ``dead_letters`` counts open dead letters, ``acknowledged`` and ``unanswered`` requests; an unanswered one may
    have arrived or not.
    """

    message_id: str
    event_id: str
    path: str
    state: str | None
    dead_letters: int
    acknowledged: int
    unanswered: int


@dataclass(frozen=True)
class Report:
    """``lost``: events accepted and neither received nor dead; ``copies``: requests beyond the first of each."""

    lost: int
    copies: int
    violations: list[str]


def unfinished_work(platform: Platform) -> list[str]:
    """Return the work that is left, as texts; empty if there is none."""
    orphans = [f"orphaned process: {command}" for process in platform.orphans() if (command := command_of(process))]
    try:
        return orphans + [text for (text,) in platform.sql(UNFINISHED_WORK)]
    except psycopg.OperationalError as error:  # the server is recovering
        return [*orphans, str(error)]


def expected_deliveries(platform: Platform, name: str) -> list[ExpectedDelivery]:
    """Return the events whose ids begin with this name, for every endpoint."""
    rows = platform.sql(EXPECTED_DELIVERIES.format(name=name))
    return [ExpectedDelivery(public("evt", key), event_id, f"/{last}", *rest) for key, event_id, last, *rest in rows]


def check(
    log: PublishLog, requests: list[RecordedRequest], tables: list[ExpectedDelivery], copies_allowed: int
) -> Report:
    """Compare the three records of one run."""
    received = Counter((request.message_id, request.path) for request in requests)
    copies = sum(count - 1 for count in received.values())
    lost = [
        it
        for it in tables
        if it.event_id in log.accepted and not received[it.message_id, it.path] and not it.dead_letters
    ]
    violations = [
        *(f"lost: {it}" for it in lost),
        *_accepted_events(log, tables),
        *_history(tables, received),
        *_requests(requests, {it.message_id for it in tables}),
        *_responses(log),
    ]
    if copies > copies_allowed:
        unanswered = sum(it.unanswered for it in tables)
        violations.append(f"{copies} copies, where this fault can cause {copies_allowed}; {unanswered} had no response")
    return Report(len(lost), copies, violations)


def _accepted_events(log: PublishLog, tables: list[ExpectedDelivery]) -> Iterator[str]:
    stored = {it.event_id: it.message_id for it in tables}
    for event_id, message_id in log.accepted.items():
        if stored.get(event_id) != message_id:
            yield f"accepted {event_id} as {message_id}, but the table has {stored.get(event_id)}"
    for event_id in log.rejected & stored.keys():
        yield f"rejected {event_id}, but stored it"


def _history(tables: list[ExpectedDelivery], received: Counter[tuple[str, str]]) -> Iterator[str]:
    """Every received request has an attempt, and every attempt a request, except attempts with an unknown end."""
    for it in tables:
        arrived = received[it.message_id, it.path]
        if not it.acknowledged <= arrived <= it.acknowledged + it.unanswered:
            yield f"received {arrived} times, unlike the attempts: {it}"
        if (it.state, it.dead_letters) not in (("delivered", 0), ("dead", 1)):
            yield f"neither delivered nor dead: {it}"
        if it.state == "delivered" and not it.acknowledged:
            yield f"delivered without an acknowledged attempt: {it}"


def _requests(requests: list[RecordedRequest], known: set[str]) -> Iterator[str]:
    digests: dict[str, set[str]] = defaultdict(set)
    for request in requests:
        digests[request.message_id].add(request.digest)
        if request.message_id not in known:
            yield f"received but not accepted: {request}"
        if not request.verified:
            yield f"invalid signature: {request}"
    yield from (f"copies with different bytes: {key}" for key, found in digests.items() if len(found) > 1)


def _responses(log: PublishLog) -> Iterator[str]:
    yield from (f"an unexpected response: {item}" for item in log.unexpected)
    for status in {it.status for it in log.requests} - {202, 503, None}:
        yield f"publishing got {status}"
