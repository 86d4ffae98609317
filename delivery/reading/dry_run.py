"""Try a subscription on an event: whether it matches, where it does not, and what would be sent.

Nothing is written and nothing is sent. The request is composed by the code that composes real ones, with two
differences: it is not signed, because a read-only key must not be able to make valid webhooks, and headers that may
carry credentials, custom headers among them, are shown without their values.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import orjson
from django.utils import timezone

from delivery.sql.claim import Claimed
from delivery.transports.http.compose import CLOUDEVENT_CONTENT_TYPE, COMMON_HEADERS, TRANSFORMED_CONTENT_TYPE, compose
from delivery.transports.transport import NotSent
from subscriptions.routing.route_table import matching_names
from subscriptions.routing.targets import DeliveryTarget
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.cloudevents.json_format import read_structured, write_structured
from webhooks.wire.eventbridge import event_from_eventbridge
from webhooks.wire.ids import new_id, public
from webhooks.wire.patterns import Pattern, PatternMismatch
from webhooks.wire.transform import Transformer, Unrenderable

UNSIGNED = "v1,(signed when it is sent)"
HIDDEN = "(not shown)"
SHOWN = ("webhook-", "ce-", "content-type", "user-agent", "accept-encoding", "traceparent")


@dataclass(frozen=True, slots=True)
class DryRunEvent:
    """An event to try: as patterns match it (``document``), and as it is sent without a transformer (``body``)."""

    document: dict[str, Any]
    body: bytes
    message_id: str


@dataclass(frozen=True, slots=True)
class RequestPreview:
    """The request that would be sent."""

    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class DryRunResult:
    """Whether the event would be delivered (``matches``), why not, and the request that would be sent."""

    type_matches: bool
    mismatches: tuple[PatternMismatch, ...]
    preview: RequestPreview | None = None
    transformation_error: str = ""

    @property
    def matches(self) -> bool:
        """Whether both the event type and the pattern match."""
        return self.type_matches and not self.mismatches


def stored_event(key: Any, body: bytes) -> DryRunEvent:
    """Return a stored event, by its key and body."""
    return DryRunEvent(read_structured(body).document(), body, public("evt", key))


def parse_event(written: Mapping[str, Any]) -> DryRunEvent:
    """Read an event: a CloudEvent, the plain form, or an EventBridge event. Raises InvalidEvent."""
    message_id = public("evt", new_id())
    if "detail-type" in written:
        document = event_from_eventbridge(dict(written))
        return DryRunEvent(document, orjson.dumps(document), message_id)
    if "specversion" in written:
        event = read_structured(orjson.dumps(written))
    else:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        attributes = {name: value for name, value in written.items() if name != "data"}
        filled = {"id": message_id, "source": "/test", "time": now, **attributes}
        event = Event.of(filled, written["data"]) if "data" in written else Event.of(filled)
    return DryRunEvent(event.document(), write_structured(event), message_id)


def dry_run(
    event: DryRunEvent,
    event_types: list[str],
    pattern: Pattern | None,
    transformer: Transformer | None,
    target: DeliveryTarget | None,
) -> DryRunResult:
    """Try a subscription on an event. ``target``: the endpoint, which determines headers and content mode."""
    names = set(matching_names(str(event.document.get("type", ""))))
    mismatches = () if pattern is None else tuple(pattern.explain(event.document))
    result = DryRunResult(not names.isdisjoint(event_types), mismatches)
    body = event.body
    if transformer is not None:
        try:
            body = transformer.render(event.document)
        except Unrenderable as error:
            return replace(result, transformation_error=str(error))
    return replace(result, preview=_preview(event, body, transformer is not None, target))


class _Unsigned:
    """Stand in for an endpoint's signer, without signing."""

    def sign(self, *_message: object) -> str:
        return UNSIGNED


def _preview(event: DryRunEvent, body: bytes, is_transformed: bool, target: DeliveryTarget | None) -> RequestPreview:
    now = timezone.now()
    if target is None or target.http is None:
        content = TRANSFORMED_CONTENT_TYPE if is_transformed else CLOUDEVENT_CONTENT_TYPE
        lines = [f"webhook-id: {event.message_id}", f"webhook-timestamp: {int(now.timestamp())}"]
        return RequestPreview(_shown([*lines, f"webhook-signature: {UNSIGNED}", *content, *COMMON_HEADERS]), body)
    no_id = new_id()
    claimed = Claimed(no_id, target.endpoint_id, no_id, 0, 0, now, body, is_transformed)
    unsigned: Any = _Unsigned()
    http = replace(target.http, admits=_any_address, headers=target.http.headers or ())
    target = replace(target, signer=unsigned, http=http)
    request = compose(claimed, target, now.timestamp(), bearer=HIDDEN if http.oauth else "")
    if isinstance(request, NotSent):
        raise ValueError(request.failure) from request.error
    return RequestPreview(_shown(request.headers) | {"webhook-id": event.message_id}, request.body)


def _shown(lines: list[str]) -> dict[str, str]:
    """Return header lines by name, with the values of those that carry no credentials."""
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        if value.strip():
            headers[name.lower()] = value.strip() if name.lower().startswith(SHOWN) else HIDDEN
    return headers


def _any_address(_address: str) -> bool:
    return True
