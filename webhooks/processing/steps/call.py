"""Make the HTTP call of an enrichment, through the guard of outgoing calls: retries within one deadline.

What may pass is tried again: no connection, no complete response, 408, 429 and 5xx.
"""

import asyncio
import re
from collections.abc import Hashable, Mapping
from concurrent.futures import Future
from typing import Any
from urllib.parse import quote

import orjson

from webhooks.kit.bodies.message_body import parse_exact_numbers
from webhooks.kit.jsonata.evaluators import EvaluatorUnavailable
from webhooks.outgoing.call_messages import CallResponse
from webhooks.outgoing.errors import CallFailed, DeadlineExceeded, LimitReached
from webhooks.outgoing.event_loop import event_loop
from webhooks.outgoing.guarded_call import start_call
from webhooks.processing.steps.settings import CREDENTIAL, Enrichment
from webhooks.wire.addresses.parsed_url import ForbiddenAddress
from webhooks.wire.custom_headers import ForbiddenHeader
from webhooks.wire.json_numbers import raw
from webhooks.wire.step_budget import BudgetExceeded, StepBudget
from webhooks.wire.transform import Transformer, Unrenderable

MAX_RESPONSE = 1024 * 1024  # bytes of a response
MAX_STEPS = 2_000_000  # of rendering URL and body: about 0.2 s of CPU time
RETRY_PAUSE = 0.2  # seconds before the first retry; doubles
MAY_PASS = frozenset({408, 429, *range(500, 600)})

Document = Mapping[str, Any]


class EnrichmentFailed(Exception):
    """The call had no usable response. ``is_other_side``: the other side is to blame, not the request."""

    def __init__(self, message: str, *, is_other_side: bool = True) -> None:
        super().__init__(message)
        self.is_other_side = is_other_side


def start(enrichment: Enrichment, document: Document, credentials: Mapping[str, str], share: Hashable) -> "Future[Any]":
    """Start the call for an event; the future returns the content of the response.

    It raises EnrichmentFailed, and EvaluatorUnavailable if no process is free to evaluate the body.
    """
    try:
        request = _request(enrichment, document, credentials)
    except (Unrenderable, BudgetExceeded) as error:
        reason = str(error) or "its body costs too much to make"
        return _failed(EnrichmentFailed(f"no request: {reason}", is_other_side=False))
    except EvaluatorUnavailable as error:
        return _failed(error)
    return asyncio.run_coroutine_threadsafe(_send(enrichment, request, share), event_loop())


def is_other_side(error: BaseException) -> bool:
    """Return whether the other side is to blame for what a call raised, not the request or this machine."""
    if isinstance(error, EnrichmentFailed):
        return error.is_other_side
    return not isinstance(error, EvaluatorUnavailable)


def _failed(error: Exception) -> "Future[Any]":
    failed: Future[Any] = Future()
    failed.set_exception(error)
    return failed


async def _send(enrichment: Enrichment, request: dict[str, Any], share: Hashable) -> Any:
    try:
        async with asyncio.timeout(enrichment.timeout_seconds):
            for number in range(enrichment.retries + 1):
                response = await _try(enrichment, request, share, is_last=number == enrichment.retries)
                if response is not None:
                    return _read(response)
                await asyncio.sleep(RETRY_PAUSE * 2**number)
    except TimeoutError:
        raise EnrichmentFailed(f"no response within {enrichment.timeout_seconds:g} s") from None
    except (ForbiddenAddress, ForbiddenHeader) as error:
        raise EnrichmentFailed(str(error), is_other_side=False) from error
    raise AssertionError("the last try returns or raises")


async def _try(
    enrichment: Enrichment, request: dict[str, Any], share: Hashable, *, is_last: bool
) -> CallResponse | None:
    """Return the response, or None if there is to be another try."""
    future = start_call(share=share, timeout=enrichment.timeout_seconds, max_response=MAX_RESPONSE, **request)
    try:
        response = await asyncio.wrap_future(future)
    except LimitReached as error:
        if is_last:
            raise EnrichmentFailed(str(error), is_other_side=False) from error
        return None
    except CallFailed as error:
        if is_last or isinstance(error, DeadlineExceeded):
            raise EnrichmentFailed(f"no response: {error or type(error).__doc__}") from error
        return None
    return None if response.status in MAY_PASS and not is_last else response


def _request(enrichment: Enrichment, document: Document, credentials: Mapping[str, str]) -> dict[str, Any]:
    """Return the arguments of the call. Raises Unrenderable, BudgetExceeded, EvaluatorUnavailable."""
    budget = StepBudget(MAX_STEPS)
    headers = {
        name: CREDENTIAL.sub(lambda found: credentials.get(found[1], ""), value)
        for name, value in enrichment.headers.items()
    }
    body = None
    if enrichment.method != "GET":
        written = enrichment.body
        body = _written(document) if written is None else written.render(dict(document), budget)
        headers["Content-Type"] = "application/json"
    return {
        "method": enrichment.method,
        "url": _url(enrichment.url, document, budget),
        "headers": headers,
        "body": body,
    }


def _written(document: Document) -> bytes:
    """Return the event as JSON. Raises Unrenderable."""
    try:
        return orjson.dumps(document, default=raw)
    except orjson.JSONEncodeError:
        raise Unrenderable("the event is nested too deeply to be written as JSON") from None


def _url(url: str | Transformer, document: Document, budget: StepBudget) -> str:
    """Return the URL with the percent-encoded values of its paths. Raises Unrenderable for one that leads elsewhere."""
    if isinstance(url, str):
        return url
    rendered = url.render(_encoded(document), budget).decode()
    if any(step in (".", "..") for step in re.split(r"[/?#]", rendered)):
        raise Unrenderable("a value in enrich.url is . or .., which leads to another path")
    return rendered


def _encoded(value: Any) -> Any:
    """Return a document whose texts are percent-encoded, as parts of a URL."""
    if isinstance(value, Mapping):
        return {name: _encoded(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_encoded(inner) for inner in value]
    return quote(value, safe="") if isinstance(value, str) else value


def _read(response: CallResponse) -> Any:
    """Return the content: JSON, else text, else null. Raises EnrichmentFailed."""
    if not 200 <= response.status < 300:
        text = response.body[:200].decode("utf-8", "replace")
        message = f"responded {response.status}{f': {text}' if text else ''}"
        raise EnrichmentFailed(message, is_other_side=response.status in MAY_PASS)
    if response.truncated:
        raise EnrichmentFailed(f"the response has more than {MAX_RESPONSE} bytes", is_other_side=False)
    if not response.body:
        return None
    headers = {name.lower(): value for name, value in response.headers.items()}
    document = parse_exact_numbers({"content-type": headers.get("content-type", "")}, response.body)
    return response.body.decode("utf-8", "replace") if document is None else document
