"""Test a subscription on an event: whether it matches, which condition does not, and which request would be sent.

Nothing is written and nothing is sent. The request is composed by the same code as real requests, with two
differences. It is not signed, because an API key with only the scope ``read`` must not be able to produce valid
webhooks. The values of headers that may carry credentials are hidden, those of all custom headers among them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import orjson
from django.utils import timezone

from delivery.publishing.plain_form import read_attributes
from delivery.reading.requests.shaping import Masking, ShapedEvent, ShownMask, applies, shape
from delivery.sql.claim import Claimed
from delivery.transports.http.compose import CLOUDEVENT_CONTENT_TYPE, COMMON_HEADERS, content_type_of
from delivery.transports.http.shown_request import SIGNATURE_PLACEHOLDER, sent_headers
from delivery.transports.shown_request import shown_request
from delivery.transports.transport import NotSent
from subscriptions.routing.targets import DeliveryTarget
from subscriptions.routing.type_names import matching_names
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.cloudevents.json_format import read_structured, write_structured
from webhooks.wire.errors import InvalidEvent
from webhooks.wire.eventbridge import event_from_eventbridge
from webhooks.wire.ids import new_id, parse, public
from webhooks.wire.json_numbers import raw
from webhooks.wire.patterns import Pattern, PatternMismatch
from webhooks.wire.step_budget import StepBudget
from webhooks.wire.transform import BodyTransformer, Unrenderable


@dataclass(frozen=True, slots=True)
class DryRunEvent:
    """An event to test a subscription on.

    ``document``: the event as patterns and transformers read it. ``body``: the body of a request without a transformer.
    ``message_id``: the value of the header ``webhook-id``. ``is_stored``: the masks of its type are applied already.
    """

    document: dict[str, Any]
    body: bytes
    message_id: str
    is_stored: bool = False


@dataclass(frozen=True, slots=True)
class RequestPreview:
    """The request that would be sent, with some header values hidden."""

    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class DryRunResult:
    """The result of a dry run.

    ``mismatches``: the conditions of the pattern that do not match. ``preview``: the request that would be sent if the
    event matched; None if the transformation failed. ``masks``: what is masked on the way to the endpoint.
    """

    type_matches: bool
    mismatches: tuple[PatternMismatch, ...]
    preview: RequestPreview | None = None
    transformation_error: str = ""
    masks: Sequence[ShownMask] = ()

    @property
    def matches(self) -> bool:
        """Whether the event would be delivered: both its type and the pattern match."""
        return self.type_matches and not self.mismatches


def stored_event(key: Any, body: bytes) -> DryRunEvent:
    """Build the event of a dry run from the primary key and the body of a stored event."""
    return DryRunEvent(read_structured(body).document(), body, public("evt", key), is_stored=True)


def parse_event(given: Mapping[str, Any]) -> DryRunEvent:
    """Build the event of a dry run from a CloudEvent, an EventBridge event, or the short form of an event.

    The short form has no ``specversion``; missing attributes are filled in. Raises InvalidEvent.
    """
    message_id = public("evt", new_id())
    if "detail-type" in given:
        document = event_from_eventbridge(dict(given))
        return DryRunEvent(document, orjson.dumps(document, default=raw), message_id)
    if "specversion" in given:
        event = read_structured(orjson.dumps(given, default=raw))
    else:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        filled = {"id": message_id, "source": "/test", "time": now, **read_attributes(given)}
        event = Event.of(filled, given["data"]) if "data" in given else Event.of(filled)
    return DryRunEvent(event.document(), write_structured(event), message_id)


def dry_run(
    event: DryRunEvent,
    event_types: list[str],
    pattern: Pattern | None,
    transformer: BodyTransformer | None,
    target: DeliveryTarget | None,
    budget: StepBudget,
    masking: Masking | None = None,
) -> DryRunResult:
    """Test a subscription (its event types, pattern and transformer) on an event. Raises BudgetExceeded.

    ``target``: the endpoint, which determines headers and content mode; None for the headers that every endpoint gets.
    ``masking``: whose masks apply; None: no masks.
    """
    shaped = None if masking is None else _shaped(event, masking, budget)
    matched = event.document if shaped is None else shaped.matched.document()
    matching = set(matching_names(str(matched.get("type", ""))))
    mismatches = () if pattern is None else tuple(pattern.explain(matched, budget))
    result = DryRunResult(not matching.isdisjoint(event_types), mismatches)
    document, body = event.document, event.body
    if shaped is not None:
        result = replace(result, masks=shaped.masks)
        if shaped.error:
            return replace(result, transformation_error=shaped.error)
        document, body = shaped.sent.document(), write_structured(shaped.sent)
    if transformer is not None:
        try:
            body = transformer.render(document, budget)
        except Unrenderable as error:
            return replace(result, transformation_error=str(error))
    content_type = None if transformer is None else transformer.content_type
    try:
        return replace(result, preview=_preview(event, body, transformer is not None, content_type, target))
    except Unrenderable as error:
        return replace(result, transformation_error=str(error))


def _shaped(event: DryRunEvent, masking: Masking, budget: StepBudget) -> ShapedEvent | None:
    """Return what masks make of the event; None if there are none for it."""
    try:
        parsed = read_structured(event.body)
    except InvalidEvent:  # of EventBridge, whose members need not be attributes
        return None
    if not applies(masking, parsed, is_stored=event.is_stored):
        return None
    return shape(masking, parsed, budget, is_stored=event.is_stored)


def _preview(
    event: DryRunEvent, body: bytes, is_transformed: bool, content_type: str | None, target: DeliveryTarget | None
) -> RequestPreview:
    now = timezone.now()
    if target is None:
        content = content_type_of(body, content_type) if is_transformed else CLOUDEVENT_CONTENT_TYPE
        lines = [f"webhook-id: {event.message_id}", f"webhook-timestamp: {int(now.timestamp())}"]
        lines += [f"webhook-signature: {SIGNATURE_PLACEHOLDER}", *content, *COMMON_HEADERS]
        return RequestPreview(sent_headers(lines), body)
    claimed = Claimed(
        id=new_id(),
        endpoint_id=target.endpoint_id,
        event_id=parse("evt", event.message_id),
        attempts=0,
        step=0,
        due_at=now,
        body=body,
        rendered=is_transformed,
        content_type=content_type,
    )
    request = shown_request(claimed, target, now.timestamp(), is_signed=False)
    if isinstance(request, NotSent):
        raise Unrenderable(request.detail or str(request.error or request.failure)) from request.error
    return RequestPreview(sent_headers(request.lines), request.body)
