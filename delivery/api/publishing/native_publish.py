"""Publish one event without a thread: ``POST /api/v1/events/`` as a native view (``webhooks.kit.native_request``).

The usual request, one small event, is responded to in the event loop: its key is known, its
body is read and checked, a writer thread commits it together with others, and the future of that commit is awaited.
Every other request goes to the view ``events.Events``. Both read, publish and respond by the same functions.
"""

import time
from collections.abc import Mapping
from functools import partial

import orjson
from django.conf import settings

from delivery import metrics
from delivery.api.publishing.event_tenants import (
    MEMBER,
    OTHER_TENANT,
    publish_for_tenants,
    take_tenant,
    with_other_faults,
)
from delivery.api.publishing.publish_results import CLIENT_GONE, accepted, problem_of, status_of
from delivery.api.publishing.published import JSON
from delivery.api.publishing.put_events import put_events_response
from delivery.api.publishing.request_events import AMAZON_JSON, Item, find_entries, form_of, read_event
from delivery.publishing.group_publish import submit
from delivery.publishing.plan_limits import publish_rate_headers
from delivery.publishing.results import rejection_reason
from subscriptions.api.native_authentication import authenticate_natively
from subscriptions.api.native_tenancy import named_tenant
from subscriptions.api.tenancy import HEADER, MISSING_TENANT
from subscriptions.models import ApiKey, Scope, Tenant
from subscriptions.tenants.tenants import is_named
from webhooks.kit.fair.futures import await_future
from webhooks.kit.fair.threads import request_threads
from webhooks.kit.native_request import BodyCutShort, NativeRequest, NativeResponse
from webhooks.kit.rest.limited_body import TooLarge, check_encoding
from webhooks.kit.tracing.context import HEADER as TRACEPARENT
from webhooks.kit.tracing.context import incoming, valid
from webhooks.wire.cloudevents.http_modes import BATCH
from webhooks.wire.errors import InvalidEvent

MAX_BYTES = 64 * 1024  # of a request; parsing a larger one would take the event loop for more than a millisecond
TENANT = HEADER.lower()
MAY_PUBLISH = "delivery.add_event"  # permission
RESPONSE_HEADERS = {"content-type": JSON}


def can_publish_natively(headers: Mapping[str, str], query_string: bytes) -> bool:
    """Return whether a request is the usual one: short, not a batch, not idempotent by key."""
    length = headers.get("content-length", "")
    is_short = "transfer-encoding" not in headers and length.isdigit() and int(length) <= MAX_BYTES
    is_usual = not query_string and "idempotency-key" not in headers
    return is_short and is_usual and not headers.get("content-type", "").lower().startswith((BATCH, *AMAZON_JSON))


async def publish_natively(request: NativeRequest) -> NativeResponse:
    """Publish the one event of this request, and count it. Raises APIException for a problem, as the view does."""
    began, code = time.monotonic(), CLIENT_GONE
    try:
        response = await _publish(request)
        code = response.status
    except Exception as error:
        code = status_of(error)
        raise
    finally:
        metrics.publish_request(code, time.monotonic() - began, request.body.length or 0)
    return response


async def _publish(request: NativeRequest) -> NativeResponse:
    key = await authenticate_natively(request, Scope.PUBLISH, MAY_PUBLISH)
    named = request.headers.get(TENANT)
    tenant = key.tenant if named is None else await named_tenant(key, named)
    form = form_of(request.headers)
    check_encoding(request.headers.get("content-encoding", "identity"))
    limit = settings.WAYPOST_MAX_EVENT_BYTES
    if request.body.length is not None and request.body.length > limit:
        metrics.published(0, 0, {"too_large": 1})
        raise TooLarge("A request", limit)
    body = await request.body.read(limit)
    if request.body.length is not None and len(body) < request.body.length:
        raise BodyCutShort
    try:
        if form == "plain" and (entries := find_entries(body)) is not None:
            return await _publish_entries(key, tenant if named is not None else None, entries)
        item = read_event(form, request.headers, body)
        tenant, event = await _take_tenant(key, tenant, item, is_named=named is not None)
    except InvalidEvent as error:
        metrics.published(0, 0, {rejection_reason(error): 1})
        raise problem_of(error) from error
    if (given := request.headers.get(TRACEPARENT)) is not None:
        incoming.set(valid(given))
    (result,) = await await_future(submit(tenant, [event]))
    body = orjson.dumps(accepted(result))
    return NativeResponse(202, body, {**RESPONSE_HEADERS, **publish_rate_headers(tenant)})


async def _publish_entries(key: ApiKey, named: Tenant | None, entries: list[Item]) -> NativeResponse:
    """Publish the entries of a request of PutEvents, which are several, on a thread."""
    work = partial(publish_for_tenants, key.tenant, named, entries)
    results = await request_threads().run(key.tenant_id or key.pk, work)
    return NativeResponse(200, orjson.dumps(put_events_response(results)), RESPONSE_HEADERS)


async def _take_tenant(key: ApiKey, tenant: Tenant | None, item: Item, *, is_named: bool) -> tuple[Tenant, Item]:
    """Return the tenant of an event and the event without its name. Raises InvalidEvent with all faults of the event.

    ``tenant``: that of the request (``is_named``: which names it) or of the key; None with a platform key.
    """
    try:
        name, event = take_tenant(item)
        if name is not None:
            tenant = await _tenant_of_event(key, tenant if is_named else None, name)
        if tenant is None:
            raise InvalidEvent(MEMBER, MISSING_TENANT, code="required")
    except InvalidEvent as error:
        raise with_other_faults(item, error) from None
    return tenant, event


async def _tenant_of_event(key: ApiKey, named: Tenant | None, name: str) -> Tenant:
    """Return the tenant that the event names. ``named``: the one that the request names, if it does."""
    if named is not None:
        if not is_named(named, name):
            raise InvalidEvent(MEMBER, OTHER_TENANT)
        return named
    return await named_tenant(key, name)
