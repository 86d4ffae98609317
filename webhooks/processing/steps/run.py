"""Run the steps of a handler for one receipt, and keep what each did.

    begin(receipt)       open the envelope, match the patterns, start the calls of the enrichment that is first
    run_steps(...)       the handler: with the responses, transform, and publish

``begin`` runs before the transaction of the handlers, which ``run_steps`` is part of. What a receipt has of both is its
``prepared``; a receipt of a source without steps has none.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, cast

from webhooks.models import Receipt
from webhooks.processing.handler_patterns import ReceiptPatterns
from webhooks.processing.steps import call
from webhooks.processing.steps.breakers import Breaker, breaker_of
from webhooks.processing.steps.settings import Enrichment, Steps, Transform, has_steps, steps_of
from webhooks.sources.connections import credentials_of
from webhooks.sources.message_events import parse_events
from webhooks.wire.bodies.storable_text import storable
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.errors import InvalidEvent, UnreadableBody
from webhooks.wire.ids import urn
from webhooks.wire.step_budget import BudgetExceeded, StepBudget
from webhooks.wire.transform import Unrenderable

ORDER = ("open", "filter", "enrich", "transform", "publish")
_OUTCOMES = ("opened", "matched", "not_matched", "answered", "failed", "interrupted", "transformed", "published")
STEP_OUTCOMES = [(it, it) for it in _OUTCOMES]
MAX_CALLS = 20  # of one receipt: its events
MAX_DETAIL = 500  # characters of what a step says
MAX_STEPS = 2_000_000  # of transforming the events of one receipt: about 0.2 s of CPU time


class StepFailed(Exception):
    """A step cannot be done for this receipt, now or later."""


class BreakerOpen(Exception):
    """The calls of the enrichment are interrupted for ``seconds``."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the calls of the enrichment are interrupted for {seconds:.0f} s")
        self.seconds = seconds


@dataclass(slots=True)
class Prepared:
    """The steps of a receipt: what each did, and the calls of its enrichment."""

    log: list[dict[str, Any]] = field(default_factory=list)
    index: int | None = None
    """The handler of the source whose enrichment was begun."""
    calls: "list[Future[Any]]" = field(default_factory=list)
    error: Exception | None = None
    breaker: Breaker | None = None
    started_at: float = 0.0
    ended_at: float = 0.0

    @property
    def is_done(self) -> bool:
        """Return whether no call is in progress."""
        return all(it.done() for it in self.calls)

    def end(self) -> None:
        """Count the calls, once, after they are done."""
        if self.breaker is None or self.ended_at:
            return
        self.ended_at = time.monotonic()
        errors = [it.exception() for it in self.calls]
        failed = [it for it in errors if it is not None]
        self.breaker.end(has_failed=any(map(call.is_other_side, failed)))
        milliseconds = round((self.ended_at - self.started_at) * 1000)
        outcome = "failed" if failed else "answered"
        self.note("enrich", outcome, str(failed[0]) if failed else f"{len(self.calls)} in {milliseconds} ms")

    def responses(self) -> list[Any]:
        """Return the contents of the responses, one for each event. Raises EnrichmentFailed, EvaluatorUnavailable."""
        return [it.result(0) for it in self.calls]

    def steps(self) -> list[dict[str, Any]]:
        """Return what each step did, in the order of the steps."""
        return sorted(self.log, key=lambda it: ORDER.index(it["step"]))

    def note(self, step: str, outcome: str, detail: str = "") -> None:
        """Keep what a step did."""
        self.log.append({"step": step, "outcome": outcome, "detail": storable(detail)[:MAX_DETAIL]})


def prepared_of(receipt: Receipt) -> Prepared:
    """Return the steps of a receipt, which may have none yet."""
    if receipt.prepared is None:
        receipt.prepared = Prepared()
    return cast(Prepared, receipt.prepared)


def begin(receipt: Receipt) -> Prepared:
    """Begin the enrichment of the first handler with steps whose pattern matches, if it has one; call it once."""
    prepared = prepared_of(receipt)
    try:
        _begin(receipt, prepared)
    except Exception as error:
        prepared.error = error  # raised where the handlers run, which decides what follows
    return prepared


def _begin(receipt: Receipt, prepared: Prepared) -> None:
    owner = receipt.source.tenant_id or receipt.source_id
    documents = _documents(receipt)
    patterns = ReceiptPatterns(owner)
    for index, choice in enumerate(receipt.source.handlers):
        pattern = choice.get("pattern")
        if not has_steps(choice):
            continue
        if pattern is not None and not patterns.is_match(patterns.compile(pattern), documents):
            continue
        enrichment = steps_of(choice, owner).enrichment
        if enrichment is not None:
            _call(receipt, prepared, index, enrichment, documents)
        return


def _call(
    receipt: Receipt, prepared: Prepared, index: int, enrichment: Enrichment, documents: Sequence[Mapping[str, Any]]
) -> None:
    if len(documents) > MAX_CALLS:
        raise StepFailed(f"enrich: a message of {len(documents)} events; at most {MAX_CALLS} are enriched.")
    breaker = breaker_of(receipt.source_id)
    if wait := breaker.wait():
        prepared.note("enrich", "interrupted", str(BreakerOpen(wait)))
        raise BreakerOpen(wait)
    credentials = credentials_of(receipt.source)
    prepared.index, prepared.breaker, prepared.started_at = index, breaker, time.monotonic()
    breaker.begin()
    share = receipt.source.tenant_id or receipt.source_id
    prepared.calls = [call.start(enrichment, _with_body(it), credentials, share) for it in documents]


def _documents(receipt: Receipt) -> list[dict[str, Any]]:
    """Return the whole events of a receipt. Raises UnopenedEnvelope, UnreadableBody."""
    unopened = {"id": receipt.message_id, "source": urn("src", receipt.source_id), "type": receipt.event_type}
    return parse_events(unopened, receipt.body_headers(), receipt.content(), receipt.source.envelope)


def _with_body(document: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Return an event with ``body``, the name of its data in EventBridge Pipes."""
    return {**document, "body": document.get("data", document.get("data_base64")), **more}


def run_steps(function: Callable[..., Any], index: int, steps: Steps, receipt: Receipt) -> None:
    """Run a handler that publishes, with its steps. Raises what it raises, and what its enrichment raised."""
    prepared = prepared_of(receipt)
    if prepared.error is not None:
        raise prepared.error
    if steps.enrichment is not None and prepared.index != index:
        raise StepFailed("enrich: was not begun, because the handlers of the source were changed meanwhile.")
    responses = prepared.responses() if steps.enrichment is not None else None

    def prepare(events: Sequence[Event | InvalidEvent]) -> list[Event | InvalidEvent]:
        prepared.note("open", "opened", _counted(len(events)))
        return _changed(events, responses, steps.transform, prepared)

    published = function(receipt, prepare)
    prepared.note("publish", "published", _counted(len(published)))


def _counted(events: int) -> str:
    return "1 event" if events == 1 else f"{events} events"


def _changed(
    events: Sequence[Event | InvalidEvent], responses: Sequence[Any] | None, transform: Transform | None, log: Prepared
) -> list[Event | InvalidEvent]:
    """Return the events with the data that their steps make. Raises StepFailed."""
    budget = StepBudget(MAX_STEPS)
    changed: list[Event | InvalidEvent] = []
    try:
        for place, event in enumerate(events):
            if isinstance(event, InvalidEvent):
                changed.append(event)
                continue
            response = None if responses is None else responses[place]
            if transform is None:
                changed.append(Event.of({**event.attributes, **event.typed, "datacontenttype": None}, response))
                continue
            document = _with_body(event.document(), **({} if responses is None else {"enrichment": response}))
            body = transform.transformer.render(document, budget)
            changed.append(_with_data(event, transform, body))
    except (Unrenderable, BudgetExceeded, InvalidEvent, UnreadableBody, IndexError) as error:
        log.note("transform", "failed", str(error) or type(error).__name__)
        raise StepFailed(f"transform: {error or type(error).__name__}") from error
    if transform is not None:
        log.note("transform", "transformed")
    return changed


def _with_data(event: Event, transform: Transform, body: bytes) -> Event:
    """Return an event with other data: JSON if it is, else text. Raises InvalidEvent."""
    attributes = {**event.attributes, "type": transform.type or event.attributes["type"]}
    attributes.pop("datacontenttype", None)
    attributes.pop("dataschema", None)
    try:
        return Event.with_json(attributes, body, event.typed)
    except InvalidEvent as error:
        if error.attribute != "data":
            raise
    return Event.with_bytes({**attributes, "datacontenttype": "text/plain"}, body, event.typed)
