"""Warn tenants about failing endpoints, and disable endpoints that have failed often enough, on days enough.

Elapsed time alone is no evidence: an endpoint that gets one event a week may have failed for five days with its second
attempt. So the steps are reached by failures, and one after the other:

    warning 1     a failure an hour or more after the first
    warning 2     on the first failing day (``Breaker.failing_days``): a failure a day or more after the first
    warning 3     on the third failing day
    further ones  on every seventh failing day after that
    disabled      on failing day WAYPOST_DISABLE_AFTER_DAYS (5), with WAYPOST_DISABLE_AFTER_FAILURES (20) in all, half a
                  day or more after the latest of at least two warnings

An endpoint that reports that it is gone is disabled at once. A sign of life (see ``breaker``) starts anew, and is
published if there had been a warning.

Each step is an operational event of the platform: a subscription that names ``waypost.endpoint.failing`` (or
``waypost.*``) receives it; ``*`` does not. The events are stored by one statement and routed by a worker
(``operational.operational_events``): what a tenant subscribes to costs the others nothing.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.conf import settings

from delivery import telemetry
from delivery.lanes.breaker import DAY, Breaker
from delivery.lanes.lane import LeasedLane
from delivery.operational.operational_events import publish_operational
from subscriptions.endpoints.state import disable
from subscriptions.models import Endpoint

HOUR = 3_600.0  # seconds
WARN_ON_DAYS = (0, 1, 3)  # failing days at which a warning is due; the first one also needs FIRST_WARNING_AFTER
FIRST_WARNING_AFTER = 1 * HOUR
WARN_EVERY_DAYS = 7  # after those
WARNING_GAP = 0.5 * DAY  # seconds from one warning to the next step, at least
MIN_WARNINGS = 2  # before an endpoint is disabled

MESSAGES: dict[str, str] = {
    Endpoint.DisabledReason.FAILING: "The endpoint is disabled, because no attempt has succeeded for days. What is "
    "pending waits up to seven days. Enable it, or test it with success, when it works again.",
    Endpoint.DisabledReason.RESPONDED_410: "The endpoint is disabled, because it responded 410 Gone. What was pending "
    "is in the dead letters.",
}


class Step(StrEnum):
    """Name the operational event that is due about an endpoint that fails, or that failed and works again."""

    WARN = "warn"
    DISABLE = "disable"
    RECOVERED = "recovered"


def due_step(breaker: Breaker, warnings_sent: int, warned_at: float | None, now: float) -> Step | None:
    """Return the step that is due after a failure or a sign of life; instants in unix seconds."""
    if breaker.failing_since is None:
        return Step.RECOVERED if warnings_sent else None
    if warned_at is not None and now - warned_at < WARNING_GAP:
        return None
    days, failures = settings.WAYPOST_DISABLE_AFTER_DAYS, settings.WAYPOST_DISABLE_AFTER_FAILURES
    if days and warnings_sent >= MIN_WARNINGS and breaker.failing_days >= days and breaker.failures >= failures:
        return Step.DISABLE
    is_first_early = not warnings_sent and now - breaker.failing_since < FIRST_WARNING_AFTER
    return Step.WARN if breaker.failing_days >= warning_days(warnings_sent) and not is_first_early else None


def warning_days(warnings_sent: int) -> int:
    """Return on how many days an endpoint must have failed for the next warning."""
    further = warnings_sent - len(WARN_ON_DAYS) + 1
    return WARN_ON_DAYS[warnings_sent] if further <= 0 else WARN_ON_DAYS[-1] + WARN_EVERY_DAYS * further


def disabled_at(failing_days: int, failing_day_at: float, warnings_sent: int, now: float) -> float | None:
    """Return when an endpoint that fails all the time is disabled, in unix seconds; None: never.

    It is later if it fails less often.
    """
    if not settings.WAYPOST_DISABLE_AFTER_DAYS:
        return None
    days = settings.WAYPOST_DISABLE_AFTER_DAYS - failing_days
    gaps = max(MIN_WARNINGS - warnings_sent, 0) + 1
    return max(failing_day_at + days * DAY, now + (WARNING_GAP * gaps if days <= 0 else 0.0))


def publish_due_step(lane: LeasedLane, now: float) -> None:
    """Carry out the step that is due for the endpoint of a lane, if one is."""
    step = due_step(lane.breaker, lane.warnings_sent, lane.warned_at, now)
    if step is None:
        return
    endpoint_id, breaker = lane.target.endpoint_id, lane.breaker
    if step is Step.DISABLE:
        disable_endpoints({endpoint_id: lane.target.address}, Endpoint.DisabledReason.FAILING, _describe_failures(lane))
        lane.warned_at = now
    elif step is Step.RECOVERED:
        _publish_about(
            _existing([endpoint_id]),
            "waypost.endpoint.recovered",
            {"from": "failing", "message": "The endpoint works again. What waited for it is being sent."},
        )
        lane.warnings_sent, lane.warned_at = 0, None
    else:
        lane.warnings_sent, lane.warned_at = lane.warnings_sent + 1, now
        until = disabled_at(breaker.failing_days, breaker.failing_day_at or now, lane.warnings_sent, now)
        message = failing_message(_text(breaker.failing_since or now), breaker.failures, until)
        data = {"warning": lane.warnings_sent, "disabled_at": until and _iso(until), "message": message}
        telemetry.endpoint_warned(lane.target.tenant_id, endpoint_id, lane.warnings_sent, breaker.failures)
        _publish_about(_existing([endpoint_id]), "waypost.endpoint.failing", _describe_failures(lane) | data)


def failing_message(since: str, failures: int, until: float | None) -> str:
    """Describe the failures of an endpoint since then, and when it will be disabled (unix seconds, None: never)."""
    said = f"No attempt has succeeded since {since} ({failures:,} failure{'s' * (failures != 1)} in a row)."
    if until is None:
        return said
    days, least = settings.WAYPOST_DISABLE_AFTER_DAYS, settings.WAYPOST_DISABLE_AFTER_FAILURES
    return (
        f"{said} The endpoint will be disabled once attempts have failed {least:,} times or more, on {days} days after "
        f"the first, and none has succeeded; not before {_text(until)}."
    )


def _describe_failures(lane: LeasedLane) -> dict[str, Any]:
    breaker = lane.breaker
    since = None if breaker.failing_since is None else _iso(breaker.failing_since)
    return {"failing_since": since, "failures": breaker.failures, "failing_days": breaker.failing_days}


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _text(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def disable_endpoints(addresses: Mapping[UUID, str], reason: str, data: Mapping[str, Any] | None = None) -> list[UUID]:
    """Disable endpoints that still have the address the attempts went to, and publish it. Return those disabled now.

    ``data``: what to publish about them beside the reason.
    """
    # Ordered, because each locks its tenant until the transaction ends, and another drain may do the same.
    rows = (
        Endpoint.objects.filter(id__in=addresses.keys()).select_related("http", "destination").order_by("tenant", "id")
    )
    disabled = [row for row in rows if row.address == addresses[row.id] and disable(row, reason)]
    for row in disabled:
        telemetry.endpoint_disabled(row.tenant_id, row.id, reason)
    _publish_about(
        disabled, "waypost.endpoint.disabled", {"reason": reason, **(data or {}), "message": MESSAGES[reason]}
    )
    return [row.id for row in disabled]


def _existing(endpoint_ids: Sequence[UUID]) -> list[Endpoint]:
    return list(Endpoint.objects.filter(id__in=endpoint_ids).select_related("http", "destination"))


def _publish_about(endpoints: Sequence[Endpoint], event_type: str, data: dict[str, Any]) -> None:
    about = [(it.tenant_id, {"endpoint": it.public_id, "url": it.address, **data}) for it in endpoints]
    publish_operational(event_type, about)
