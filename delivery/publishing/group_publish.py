"""Publish by group commit: requests of one tenant that publish at the same moment share a transaction.

Writing an event takes a few round trips and a flush of the disk, whether it is one or fifty. Only small requests
share a transaction; a batch is large enough by itself.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import NamedTuple

from django.conf import settings
from django.db import connection

from delivery.load.publisher_meter import publisher_meter
from delivery.publishing.late_marks import LateMarks
from delivery.publishing.plan_limits import publish_within_plan
from delivery.publishing.prepare import Item
from delivery.publishing.publisher import GroupedCommit, publish_span
from delivery.publishing.results import Published
from subscriptions.models import Tenant
from webhooks.kit.group_commit import AfterCommit, GroupCommit
from webhooks.kit.tracing.context import incoming, text_of
from webhooks.kit.tracing.spans import Switch, end, gathering

MAX_SHARED = 10  # events of one caller; more are published in a transaction of their own
MAX_GROUP = 200  # events in one shared transaction
WRITERS = 8  # tenants written for at the same time, each on a connection


class _Request(NamedTuple):
    tenant: Tenant
    items: Sequence[Item]
    traceparent: str | None = None
    began: float = 0.0  # unix seconds, if spans are made


def publish_in_group(tenant: Tenant, items: Sequence[Item]) -> list[Published]:
    """Publish within the tenant's plan, in a transaction shared with others, unless the caller has its own."""
    if connection.in_atomic_block:
        return publish_within_plan(tenant, items)
    if len(items) > MAX_SHARED:
        published = publish_within_plan(tenant, items)
        if publisher_meter().count(1, group_commit.waiting()):
            publisher_meter().report()
        return published
    return submit(tenant, items).result()


def submit(tenant: Tenant, items: Sequence[Item]) -> "Future[list[Published]]":
    """Return the future results of publishing a few events within the tenant's plan. Never blocks."""
    request = _Request(tenant, items, incoming.get(), time.time() if Switch.is_on else 0.0)
    return group_commit.submit(request, tenant.id)


def may_notify(requests: int) -> bool:
    """Return whether the commit of ``requests`` may notify the drains: only while few others commit.

    Commits that notify wait for each other (``insert_events``): those of other tenants in this process, and of the
    other processes of this machine while these are busy, as groups of several requests show.
    """
    processes = settings.WAYPOST_WEB_WORKERS
    return group_commit.keys_in_progress() <= 1 and (processes == 1 or requests == 1)


def _publish_requests(requests: Sequence[_Request], after_commit: AfterCommit) -> list[list[Published]]:
    """Publish the events of these requests, all of one tenant, at once."""
    if Switch.is_on:
        return _publish_traced(requests, after_commit)
    return _publish_items(requests, after_commit, [it.traceparent for it in requests])


def _publish_traced(requests: Sequence[_Request], after_commit: AfterCommit) -> list[list[Published]]:
    """Publish with a span for each request: from its arrival to the commit that it shares."""
    spans = [publish_span(it.tenant, it.items, it.traceparent, began=it.began) for it in requests]
    error = ""
    with gathering() as stages:
        try:
            return _publish_items(requests, after_commit, [text_of(span) for span in spans])
        except Exception as raised:
            error = type(raised).__name__
            raise
        finally:
            for span in spans:
                end(span, stages, error=error)


def _publish_items(
    requests: Sequence[_Request], after_commit: AfterCommit, traceparents: Sequence[str | None]
) -> list[list[Published]]:
    items = [item for request in requests for item in request.items]
    commit = GroupedCommit(
        after_commit,
        notifies=may_notify(len(requests)),
        mark_late=late_marks.add,
        traceparents=[one for it, one in zip(requests, traceparents, strict=True) for _ in it.items],
    )
    results = iter(publish_within_plan(requests[0].tenant, items, commit=commit))
    meter = publisher_meter()
    if meter.count(len(requests), group_commit.waiting()):
        after_commit.append(meter.report)
    return [[next(results) for _ in request.items] for request in requests]


group_commit: GroupCommit[_Request, list[Published]] = GroupCommit(
    _publish_requests, items="events", threads=WRITERS, max_group=MAX_GROUP, weigh=lambda request: len(request.items)
)


def _run_on_writer(mark: Callable[[], None]) -> None:
    group_commit.writers.submit(mark)


late_marks = LateMarks(_run_on_writer)
