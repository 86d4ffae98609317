"""Make a span for each attempt, with its parts: looking up the host, connecting, TLS, waiting for the response."""

from collections.abc import Mapping
from uuid import UUID

from opentelemetry.trace import Span

from delivery.sql.claim import Claimed, attempt_number
from delivery.transports.outcome import Outcome
from subscriptions.routing.targets import DeliveryTarget
from webhooks.kit.tracing.context import text_of
from webhooks.kit.tracing.spans import CLIENT, Stage, end, start
from webhooks.wire.ids import public

STEPS = (("lookup", "resolved_ms"), ("connect", "connected_ms"), ("tls", "tls_ms"), ("wait", "first_byte_ms"))


class AttemptSpans:
    """Hold the spans of the attempts of one drain that are in flight."""

    def __init__(self) -> None:
        self._spans: dict[UUID, Span] = {}

    def start(self, attempt_id: UUID, claimed: Claimed, target: DeliveryTarget) -> Claimed:
        """Start the span of an attempt; return the claim with its trace context, which is sent to the endpoint."""
        about = {
            "waypost.tenant": public("tnt", target.tenant_id),
            "waypost.endpoint": public("ep", claimed.endpoint_id),
            "waypost.event": public("evt", claimed.event_id),
            "waypost.delivery": public("dlv", claimed.id),
            "waypost.attempt": attempt_number(claimed),
            "waypost.endpoint_type": target.kind,
        }
        span = self._spans[attempt_id] = start("attempt", claimed.traceparent, CLIENT, about)
        return claimed._replace(traceparent=text_of(span) or claimed.traceparent)

    def end(self, attempt_id: UUID, outcome: Outcome) -> None:
        """End the span of an attempt with its outcome."""
        span = self._spans.pop(attempt_id, None)
        if span is None:
            return
        if outcome.status is not None:
            span.set_attribute("http.response.status_code", outcome.status)
        ended = outcome.started_at + outcome.duration_ms / 1000
        end(span, stages_of(outcome.started_at, outcome.steps or {}), error=outcome.failure or "", ended=ended)


def stages_of(began: float, steps: Mapping[str, int]) -> list[Stage]:
    """Return the parts of an attempt; a step that a kept connection leaves out has none."""
    found, before = [], 0
    for name, key in STEPS:
        if (ended := steps.get(key, 0)) > before or (name == "wait" and ended):
            found.append(Stage(name, began + before / 1000, began + ended / 1000))
            before = ended
    return found
