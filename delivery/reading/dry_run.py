"""A dry run of a subscription: would this event match, where would it fail, and what exactly would be sent?

Nothing is written and nothing is sent. What would be sent goes through the one place that composes requests, with two
differences: there is no signature, for who may read must not be able to make webhooks that verify; and headers that
could carry credentials, the endpoint's own among them, are named without their value.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import orjson
from django.utils import timezone

from delivery.sql.claim import Claimed
from delivery.transports.http.compose import ALWAYS, RENDERED, STRUCTURED, compose
from delivery.transports.transport import NotSent
from subscriptions.routing.route_table import matching_names
from subscriptions.routing.targets import DeliveryTarget
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.cloudevents.json_format import read_structured, write_structured
from webhooks.wire.eventbridge import event_from_eventbridge
from webhooks.wire.ids import new_id, public
from webhooks.wire.patterns import Pattern, PatternMismatch
from webhooks.wire.transform import Transformer, Unrenderable

__all__ = ["Preview", "Subject", "Tried", "given", "run", "stored"]

UNSIGNED = "v1,(signed when it is sent)"
HIDDEN = "(not shown)"
SHOWN = ("webhook-", "ce-", "content-type", "user-agent", "accept-encoding", "traceparent")


@dataclass(frozen=True, slots=True)
class Subject:
    """An event to try: as patterns see it, and as it is sent without a transformer."""

    document: dict[str, Any]
    body: bytes
    message_id: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be sent."""

    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Tried:
    """``matches`` says whether the event would be delivered; the other fields say why not, or what would be sent."""

    type_matches: bool
    mismatches: tuple[PatternMismatch, ...]
    preview: Preview | None = None
    unrenderable: str = ""

    @property
    def matches(self) -> bool:
        return self.type_matches and not self.mismatches


def stored(key: Any, body: bytes) -> Subject:
    """An event that was taken, by its key and its bytes."""
    return Subject(read_structured(body).document(), body, public("evt", key))


def given(written: Mapping[str, Any]) -> Subject:
    """An event as somebody writes it: a CloudEvent, the plain form, or an event of EventBridge. Raises InvalidEvent."""
    message_id = public("evt", new_id())
    if "detail-type" in written:
        document = event_from_eventbridge(dict(written))
        return Subject(document, orjson.dumps(document), message_id)
    if "specversion" in written:
        event = read_structured(orjson.dumps(written))
    else:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        attributes = {name: value for name, value in written.items() if name != "data"}
        filled = {"id": message_id, "source": "/test", "time": now, **attributes}
        event = Event.of(filled, written["data"]) if "data" in written else Event.of(filled)
    return Subject(event.document(), write_structured(event), message_id)


def run(
    subject: Subject,
    event_types: list[str],
    pattern: Pattern | None,
    transformer: Transformer | None,
    target: DeliveryTarget | None,
) -> Tried:
    """Try a subscription on an event. ``target``: the endpoint it would go to, for its headers and content mode."""
    known = set(matching_names(str(subject.document.get("type", ""))))
    mismatches = () if pattern is None else tuple(pattern.explain(subject.document))
    tried = Tried(not known.isdisjoint(event_types), mismatches)
    body = subject.body
    if transformer is not None:
        try:
            body = transformer.render(subject.document)
        except Unrenderable as error:
            return replace(tried, unrenderable=str(error))
    return replace(tried, preview=_preview(subject, body, transformer is not None, target))


class _Unsigned:
    """In the place of an endpoint's signer."""

    def sign(self, message_id: str, timestamp: int, body: bytes) -> str:
        return UNSIGNED


def _preview(subject: Subject, body: bytes, rendered: bool, target: DeliveryTarget | None) -> Preview:
    now = timezone.now()
    if target is None:
        content = RENDERED if rendered else STRUCTURED
        stamps = [f"webhook-id: {subject.message_id}", f"webhook-timestamp: {int(now.timestamp())}"]
        return Preview(_shown([*stamps, f"webhook-signature: {UNSIGNED}", *content, *ALWAYS]), body)
    nobody = new_id()
    claimed = Claimed(nobody, target.endpoint_id, nobody, 0, 0, now, body, rendered)
    unsigned: Any = _Unsigned()
    target = replace(target, signer=unsigned, admits=_anywhere, headers=target.headers or ())
    request = compose(claimed, target, now.timestamp(), bearer=HIDDEN if target.oauth else "")
    if isinstance(request, NotSent):
        raise ValueError(request.failure) from request.error
    return Preview(_shown(request.headers) | {"webhook-id": subject.message_id}, request.body)


def _shown(lines: list[str]) -> dict[str, str]:
    """Header lines by name, those that are harmless with their value."""
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        if value.strip():
            headers[name.lower()] = value.strip() if name.lower().startswith(SHOWN) else HIDDEN
    return headers


def _anywhere(address: str) -> bool:
    return True
