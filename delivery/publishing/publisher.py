"""Publish events: prepare, store with their deliveries, notify the drains after the commit.

Inside the caller's own transaction the events are published if and only if the caller commits (a transactional outbox
without a second table). If the process dies between the commit and the notification, the sweep finds the deliveries.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import transaction
from opentelemetry.trace import Span

from delivery import metrics
from delivery.fan_out.announce import announce
from delivery.notify import fan_out_starter
from delivery.publishing.prepare import Item, PreparedEvent, prepare
from delivery.publishing.results import ContentConflict, Published, PublishError, rejection_reason
from delivery.publishing.store import Stored, store
from delivery.sql.publish import StoredEvent
from subscriptions.models import Tenant
from webhooks.kit.tracing.context import HEADER as TRACEPARENT
from webhooks.kit.tracing.context import incoming, text_of, valid
from webhooks.kit.tracing.spans import PRODUCER, Switch, end, gathering, start
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.errors import InvalidEvent


@dataclass(frozen=True, slots=True)
class GroupedCommit:
    """The commit of a group (``group_publish``). What follows it is appended to ``after_commit``.

    ``notifies``: the commit may notify the drains (``insert_events``). ``mark_late`` takes the endpoints whose drains
    it has notified. ``traceparents``: the trace context of each event, as far as one came with its request.
    """

    after_commit: list[Callable[[], None]]
    notifies: bool
    mark_late: Callable[[frozenset[UUID]], None]
    traceparents: Sequence[str | None] = ()


def publish(tenant: Tenant, events: Sequence[Item], *, max_bytes: int | None = None) -> list[Published]:
    """Publish events for a tenant, all or none, and return one result for each, in order.

    For the arguments see ``publish_each``, which reports an invalid event as a result. Here ``data`` may contain what
    Django writes as JSON too: Decimal, date, datetime, UUID, ...; ``time`` may be a datetime.

    Raises PublishError for the first event that is not valid, before anything is stored; it names the event and the
    member. Its ``error`` is a ContentConflict if the event was published before with other content; where the caller
    has no transaction of its own, the other events are published then. Raises TypeError if ``tenant`` is no Tenant or
    ``events`` no list.
    """
    _check_arguments(tenant, events)
    results = _publish_traced(tenant, events, max_bytes=max_bytes, raises=True)
    for index, result in enumerate(results):
        if result.error is not None:
            raise PublishError(result.error, index, len(events))
    return results


def publish_each(
    tenant: Tenant,
    events: Sequence[Item],
    *,
    max_bytes: int | None = None,
    commit: GroupedCommit | None = None,
    traceparents: Sequence[str | None] = (),
) -> list[Published]:
    """Publish events for a tenant and return one result for each, in order; an invalid one does not stop the others.

    An event is an ``Event``, or a mapping in the plain form: ``type`` and ``data`` (a parsed JSON value), optionally
    ``id``, ``source``, ``time``, ``subject`` and extensions. An InvalidEvent (an item of a batch that could not be
    read) becomes the error of its own result. ``max_bytes``: limit of one event as it is sent, at most
    WAYPOST_MAX_EVENT_BYTES.
    ``commit``: receives what follows the commit, for the caller to run; None: Django runs it. ``traceparents``: the
    trace context of each event, if they belong to several traces.

    Raises django.db.Error if the database is unavailable; nothing was published then. If it fails for longer than
    ``store.RETRY_FOR`` during the commit, the result is unknown; publishing again under the same ids is safe.
    """
    if commit is not None:
        return _publish(tenant, events, max_bytes=max_bytes, commit=commit, traceparents=commit.traceparents)
    return _publish_traced(tenant, events, max_bytes=max_bytes, traceparents=traceparents)


def _publish_traced(
    tenant: Tenant,
    events: Sequence[Item],
    *,
    max_bytes: int | None,
    raises: bool = False,
    traceparents: Sequence[str | None] = (),
) -> list[Published]:
    """Publish in the trace of the current request, as a span of it if spans are made."""
    parent = incoming.get()
    if not Switch.is_on:
        given = traceparents or [parent] * len(events)
        return _publish(tenant, events, max_bytes=max_bytes, raises=raises, traceparents=given)
    span = publish_span(tenant, events, parent)
    with gathering() as stages:
        try:
            given = [it or text_of(span) for it in traceparents or [None] * len(events)]
            results = _publish(tenant, events, max_bytes=max_bytes, raises=raises, traceparents=given)
        except Exception as error:
            end(span, stages, error=type(error).__name__)
            raise
    end(span, stages)
    return results


def publish_span(tenant: Tenant, events: Sequence[object], parent: str | None, *, began: float | None = None) -> Span:
    """Start the span of publishing these events. Without a ``parent`` it joins the trace that the first event names."""
    about = {"waypost.tenant": tenant.public_id, "waypost.events": len(events)}
    return start("publish", parent or _traceparent_of(events), PRODUCER, about, began=began)


def _traceparent_of(events: Sequence[object]) -> str | None:
    """Return the trace context that the first event has as an extension attribute."""
    first = events[0] if events else None
    attributes = first.get("extensions") if isinstance(first, Mapping) else getattr(first, "attributes", None)
    return valid(attributes.get(TRACEPARENT)) if isinstance(attributes, Mapping) else None


def _publish(
    tenant: Tenant,
    events: Sequence[Item],
    *,
    max_bytes: int | None,
    commit: GroupedCommit | None = None,
    raises: bool = False,
    traceparents: Sequence[str | None] = (),
) -> list[Published]:
    started = time.monotonic()
    results: list[Published | None] = [None] * len(events)
    prepared: dict[int, PreparedEvent] = {}
    limit = min(max_bytes or settings.WAYPOST_MAX_EVENT_BYTES, settings.WAYPOST_MAX_EVENT_BYTES)
    for index, item in enumerate(events):
        try:
            prepared[index] = event = prepare(tenant, item, limit, is_json=not raises)
            given = traceparents[index] if traceparents else None
            event.traceparent = given or valid(event.event.attributes.get(TRACEPARENT))
        except InvalidEvent as error:
            if raises:
                raise PublishError(error, index, len(events)) from error
            results[index] = Published(None, error=error)
    stored = store(tenant, list(prepared.values()), notifies=commit is not None and commit.notifies)
    for index, event in prepared.items():
        results[index] = _result(tenant, event, stored.events[event.name])
    accepted = [it for it in prepared.values() if it.key == stored.events[it.name].key]
    if any(it.deliveries or it.deferred for it in accepted):
        notify = partial(_notify, accepted, started, stored, commit)
        transaction.on_commit(notify if commit is None else partial(commit.after_commit.append, notify))
    complete = [it for it in results if it is not None]
    _count(complete, accepted)
    return complete


def _check_arguments(tenant: object, events: object) -> None:
    """Raise TypeError for what is easily mistaken: the name of a tenant, or one event instead of a list."""
    if not isinstance(tenant, Tenant):
        given = f"{tenant!r:.100}" if isinstance(tenant, str) else f"a {type(tenant).__name__}"
        raise TypeError(f"tenant must be a Tenant, such as Tenant.objects.get(uid='acme'), not {given}.")
    if isinstance(events, (Mapping, Event)):
        raise TypeError("events must be a list; publish one event as [event].")
    if isinstance(events, (str, bytes)) or not isinstance(events, Sequence):
        raise TypeError(f"events must be a list of events, not a {type(events).__name__}.")


def _result(tenant: Tenant, event: PreparedEvent, stored: StoredEvent) -> Published:
    """Compare the event with the one that is stored under its name: itself, an equal one, or another."""
    source, event_id = event.name
    if stored.key == event.key:
        return Published(
            event.key,
            source,
            event_id,
            deliveries=len(event.deliveries),
            is_deferred=event.deferred is not None,
            is_scheduled=event.deliver_at is not None,
            warnings=event.warnings,
        )
    if event.has_digest(tenant.id, stored.digest):
        return Published(
            stored.key,
            source,
            event_id,
            duplicate=True,
            deliveries=stored.deliveries,
            is_deferred=stored.is_deferred,
            is_scheduled=stored.is_scheduled,
        )
    conflict = ContentConflict("id", "was published before from this source, with other content")
    return Published(stored.key, source, event_id, error=conflict)


def _count(results: Sequence[Published], accepted: Sequence[PreparedEvent]) -> None:
    rejected = Counter(rejection_reason(it.error) for it in results if it.error is not None)
    duplicates = len(results) - len(accepted) - rejected.total()
    metrics.published(len(accepted), duplicates, rejected)
    matched = [len(it.deliveries) for it in accepted if it.deliveries]
    metrics.routed(len(matched), sum(matched), "publish")
    metrics.fan_outs_deferred(it.deferred for it in accepted if it.deferred is not None)


def _notify(events: list[PreparedEvent], started: float, stored: Stored, commit: GroupedCommit | None) -> None:
    """Announce the new deliveries, without those that are claimed, and notify the workers of deferred fan-outs."""
    pending = [
        (new.key, new.endpoint_id)
        for it in events
        for new in it.deliveries
        if new.reason is None and new.key not in stored.claimed
    ]
    if pending and (late := announce(pending, started, stored.notified)) and commit is not None:
        commit.mark_late(late)
    if any(it.deferred for it in events):
        fan_out_starter.notify()
