"""Metrics of the provider: each with the function that counts. They are added up over all processes.

``docs/how-to/add-a-metric.md`` says how to add one; ``docs/reference/metrics.md`` lists them. Code that runs for every
event or delivery counts many at once.
"""

from collections import Counter as Multiset
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from delivery.models import DeadLetter, DeferredFanOut
from webhooks.kit.metrics.broken_down import breakdown
from webhooks.kit.metrics.gathered import BYTES, ITEMS, GatheredCounter, GatheredHistogram

DELIVERED = "delivered"
FIRST, RETRY, REPLAY = "first", "retry", "replay"
HEALTHY, HINDERED = "healthy", "hindered"

PUBLISH_REQUESTS = GatheredCounter(
    "waypost_publish_requests_total",
    "Requests that publish events over REST, by response status.",
    ["code"],
    series=[(code,) for code in ("202", "400", "429", "503")],
)
PUBLISH_SECONDS = GatheredHistogram(
    "waypost_publish_seconds", "Time from a request that publishes to its response, its body included."
)
PUBLISH_BYTES = GatheredHistogram("waypost_publish_bytes", "Size of requests that publish.", bounds=BYTES)
EVENTS = GatheredCounter(
    "waypost_events_total",
    "Published events, by result: accepted, duplicate, rejected; the latter by reason: invalid, conflict, too_large, "
    "over_plan.",
    ["result", "reason"],
    series=[
        ("accepted", ""),
        ("duplicate", ""),
        *(("rejected", reason) for reason in ("invalid", "conflict", "too_large", "over_plan")),
    ],
)
MATCHED = GatheredCounter("waypost_events_matched_total", "Accepted events that a subscription matched.")
CREATED = GatheredCounter(
    "waypost_deliveries_created_total",
    "Deliveries created, by what created them: publish, fan_out (a worker), replay.",
    ["by"],
    series=[("publish",), ("fan_out",), ("replay",)],
)
DEFERRED = GatheredCounter(
    "waypost_fan_outs_deferred_total",
    "Events that workers have to route, by reason.",
    ["reason"],
    series=[(reason,) for reason in DeferredFanOut.Reason.values],
)
FAN_OUT_SECONDS = GatheredHistogram(
    "waypost_fan_out_seconds", "Time from accepting an event whose fan-out was deferred until its deliveries exist."
)
ATTEMPTS = GatheredCounter(
    "waypost_attempts_total",
    "Delivery attempts, by outcome (delivered, or a class of failure) and kind: first, retry, replay.",
    ["outcome", "kind", *breakdown.names],
    series=() if breakdown.names else [(DELIVERED, kind) for kind in (FIRST, RETRY, REPLAY)],
)
FIRST_ATTEMPT_SECONDS = GatheredHistogram(
    "waypost_ingestion_to_first_attempt_seconds",
    "Time from creating a delivery, in the transaction that accepts its event, to its first attempt.",
)
DELIVERED_SECONDS = GatheredHistogram(
    "waypost_ingestion_to_delivered_seconds",
    "Time from creating a delivery, in the transaction that accepts its event, until it is delivered, by whether the "
    "endpoint was healthy, or hindered it: failed, slow, paused, ordered, or at its rate limit.",
    ["health", *breakdown.names],
    series=() if breakdown.names else [(HEALTHY,), (HINDERED,)],
)
NOT_STARTED = GatheredCounter(
    "waypost_attempts_not_started_total",
    "Attempts put off because the process had no files, memory or name lookups left.",
)
THROTTLED = GatheredCounter(
    "waypost_throttled_seconds_total",
    "Time in which rate limits held deliveries back, added up over endpoints.",
    breakdown.names,
)
CLAIM_SECONDS = GatheredHistogram("waypost_claim_seconds", "Duration of a statement by which a drain claims.")
CLAIMED = GatheredHistogram("waypost_claim_deliveries", "Deliveries claimed by one statement.", bounds=ITEMS)
SETTLE_SECONDS = GatheredHistogram("waypost_settle_seconds", "Duration of writing the results of attempts.")
SETTLED = GatheredHistogram("waypost_settle_attempts", "Attempts whose results were written at once.", bounds=ITEMS)
DEAD_LETTERS = GatheredCounter(
    "waypost_dead_letters_opened_total",
    "Deliveries that became dead letters, by cause.",
    ["cause"],
    series=[(cause,) for cause in DeadLetter.Cause.values],
)
REPLAYED = GatheredCounter("waypost_dead_letters_replayed_total", "Dead letters that were replayed.")
SCHEDULES = GatheredCounter(
    "waypost_schedule_occurrences_total",
    "Occurrences of schedules, by result: published, failed.",
    ["result"],
    series=[("published",), ("failed",)],
)
SCHEDULE_SECONDS = GatheredHistogram(
    "waypost_schedule_lateness_seconds", "Time from an occurrence of a schedule to the publishing of its event."
)
ALERT_MESSAGES = GatheredCounter(
    "waypost_alert_messages_total",
    "Messages about alerts, by occasion: firing, reminder, resolved, test.",
    ["occasion"],
    series=[(occasion,) for occasion in ("firing", "reminder", "resolved", "test")],
)
ARCHIVE_OBJECTS = GatheredCounter(
    "waypost_archive_objects_total",
    "Objects that retention wrote to the archive, by result: written, failed.",
    ["result"],
    series=[("written",), ("failed",)],
)
RATE_LIMIT_ERRORS = GatheredCounter(
    "waypost_rate_limit_errors_total", "Publish requests let through because Valkey was unavailable."
)


def publish_request(code: int, seconds: float, size: int) -> None:
    """Count a request of ``size`` bytes to publish, by its status."""
    PUBLISH_REQUESTS.add(1, str(code))
    PUBLISH_SECONDS.observe(seconds)
    PUBLISH_BYTES.observe(size)


def published(accepted: int, duplicates: int, rejected: Mapping[str, int]) -> None:
    """Count published events; ``rejected``: by reason."""
    EVENTS.add(accepted, "accepted", "")
    EVENTS.add(duplicates, "duplicate", "")
    for reason, count in rejected.items():
        EVENTS.add(count, "rejected", reason)


def routed(matched: int, deliveries: int, by: str) -> None:
    """Count events that subscriptions matched, and their new deliveries; ``by``: what created these."""
    MATCHED.add(matched)
    CREATED.add(deliveries, by)


def fan_outs_deferred(reasons: Iterable[str]) -> None:
    """Count accepted events whose fan-out is deferred."""
    for reason, count in Multiset(reasons).items():
        DEFERRED.add(count, str(reason))


def fanned_out(seconds: Sequence[float]) -> None:
    """Count deferred events whose deliveries now exist; ``seconds``: since each was accepted."""
    FAN_OUT_SECONDS.observe_all([max(it, 0.0) for it in seconds])


def attempts_not_started(count: int) -> None:
    """Count attempts that this process had no files, memory or lookups left for; they are not recorded."""
    NOT_STARTED.add(count)


def throttled(seconds: float, tenant_id: UUID, endpoint_id: UUID) -> None:
    """Count the time in which the rate limit of an endpoint held deliveries back."""
    THROTTLED.add(seconds, *breakdown.values(tenant_id, endpoint_id))


def claimed(deliveries: int, seconds: float) -> None:
    """Count a claim and its ``deliveries``; ``seconds``: how long it took."""
    if deliveries:
        CLAIM_SECONDS.observe(seconds)
        CLAIMED.observe(deliveries)


def settled(attempts: int, seconds: float) -> None:
    """Count a settlement and its ``attempts``; ``seconds``: how long it took."""
    SETTLE_SECONDS.observe(seconds)
    SETTLED.observe(attempts)


def dead_letters_opened(causes: Sequence[str]) -> None:
    """Count new dead letters by their causes."""
    for cause, count in Multiset(causes).items():
        DEAD_LETTERS.add(count, str(cause))


def dead_letters_replayed(count: int) -> None:
    """Count dead letters that were replayed."""
    REPLAYED.add(count)


def schedules_settled(published: int, failed: int, seconds_late: Sequence[float]) -> None:
    """Count occurrences of schedules, and how late those were published."""
    SCHEDULES.add(published, "published")
    SCHEDULES.add(failed, "failed")
    SCHEDULE_SECONDS.observe_all([max(it, 0.0) for it in seconds_late])


def alert_message(occasion: str) -> None:
    """Count a message about alerts."""
    ALERT_MESSAGES.add(1, occasion)


def archive_written() -> None:
    """Count an object of the archive, whose events are deleted."""
    ARCHIVE_OBJECTS.add(1, "written")


def archive_not_written() -> None:
    """Count an object that the storage of the archive did not accept."""
    ARCHIVE_OBJECTS.add(1, "failed")


def rate_limit_failed() -> None:
    """Count a publish rate limit that could not be checked."""
    RATE_LIMIT_ERRORS.add(1)
