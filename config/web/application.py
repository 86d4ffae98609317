"""Respond to requests: the ASGI application of the platform.

    POST /api/v1/events/, POST /in/<source>/    native views: coroutines in the event loop
    GET /api/v1/endpoints/<ref>/messages/       a native view, which waits without a thread
    other POST /api/v1/events/, /events/batch/  Django, on a few threads of their own: batches and large events
    /healthz, /readyz, /metrics, /status/       Django, on threads of their own
    everything else                             Django, on threads in turns among tenants

A native view gets only what it is made for; the same request with anything unusual (an unknown host, plain HTTP where
HTTPS is required, an Idempotency-Key) goes to Django, which has a view for it too, with the same responses.
"""

import time
from collections.abc import Hashable, Mapping, Sequence
from functools import lru_cache
from http import HTTPStatus
from io import BytesIO
from typing import Any, NamedTuple

import orjson
import structlog
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.http import Http404, HttpResponse
from django.http.request import split_domain_port, validate_host
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.security import SecurityMiddleware
from rest_framework.exceptions import APIException

from config.web import cors
from config.web.access_log import CLIENT_GONE, AccessLog
from config.web.bodies import AsgiRequestBody, Receive, holder
from config.web.connections import GONE
from config.web.django_view import DjangoResponse, Send, environ_of, run_django
from config.web.middleware import PROBES
from config.web.request_ids import HEADER, new_request_id
from delivery.api.publishing.native_publish import can_publish_natively, publish_natively
from delivery.api.pulling.native_pull import endpoint_of_path, pull_natively
from subscriptions.api.conventions import errors
from subscriptions.tenants.keys import peek_key, share_of
from webhooks.kit.caches.short_text_cache import short_text_cache
from webhooks.kit.clients import Client, client_of, network_of
from webhooks.kit.fair.shares import ShareExceeded
from webhooks.kit.fair.threads import FairThreads, request_threads
from webhooks.kit.native_request import (
    BodyCutShort,
    BodyTooSlow,
    NativeRequest,
    NativeResponse,
    NativeStream,
    NativeView,
)
from webhooks.receiving.native_inbound import receive_native
from webhooks.wire.header_values import LowerCaseHeaders

RETRY_AFTER = 2  # seconds, when a queue or a place is full
PROBE_THREADS = 2
PUBLISH_PATHS = frozenset({"/api/v1/events/", "/api/v1/events"})
BATCH_PATHS = PUBLISH_PATHS | {"/api/v1/events/batch/", "/api/v1/events/batch"}
BATCH_THREADS = 3  # for batches and large events; they compute, and share the interpreter with the event loop
BEARER = "bearer "
REQUEST_ID = HEADER.lower().encode()

log = structlog.get_logger("waypost.web")


class TooManyInProgress(APIException):
    """503: too many requests are in progress, of this client or of all."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_code = "too_many_requests_in_progress"
    wait = RETRY_AFTER


class RequestTooSlow(APIException):
    """408: the request body arrived too slowly."""

    status_code = HTTPStatus.REQUEST_TIMEOUT
    default_detail = "The request body arrived too slowly."
    default_code = "too_slow"


class WebApplication:
    """The ASGI application of one process."""

    def __init__(self, access_log: AccessLog | None = None, *, serves_probes_only: bool = False) -> None:
        self._serves_probes_only = serves_probes_only
        self._access_log = access_log or AccessLog.of_settings()
        self._django = WSGIHandler()
        self.probe_threads = FairThreads(PROBE_THREADS, "probe")
        self._batch_threads = FairThreads(BATCH_THREADS, "batch")

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Respond to one request (ASGI 3.0, "HTTP")."""
        headers = _joined(scope["headers"])
        if cors.applies(scope):
            if cors.is_preflight(scope, headers):
                await cors.respond(send, headers)
                return
            send = cors.sending(send, headers)
        peer = scope["client"][0] if scope["client"] else ""
        client = client_of(peer, scope["scheme"], headers)
        share = network_of(client.address)
        body = AsgiRequestBody(receive, _length(headers), share)
        route = _native_route(scope, headers, client)
        request_id, started, status = new_request_id(), time.monotonic(), CLIENT_GONE
        try:
            if not self._serves(scope["path"]):
                raise Http404
            if route is not None:
                native = await route.view(_native_request(scope, headers, client, share, body))
                status = native.status
                await _send_native(send, native, client.scheme, request_id, route.headers)
            else:
                found = await self._run_django(scope, headers, client, share, body, request_id)
                status = found.status
                await found.send(send)
        except BodyCutShort:
            pass  # the client is gone
        except Exception as error:
            response = _error_response(scope, error, request_id)
            status = response.status
            await _send_native(send, response, client.scheme, request_id, route.headers if route else ())
        finally:
            if self._access_log.is_on:
                seconds = round(time.monotonic() - started, 4)
                fields = {"status": status, "seconds": seconds, "client": client.address, "request_id": request_id}
                self._access_log.record(scope, headers, **fields)

    def record_refused(self, method: str, url: bytes, **fields: Any) -> None:
        """Record a request that its connection refused (``config.web.connections``). In the event loop."""
        if self._access_log.is_on:
            self._access_log.record_refused(method, url, **fields)

    async def _run_django(
        self,
        scope: Any,
        headers: Mapping[str, str],
        client: Client,
        share: Hashable,
        body: AsgiRequestBody,
        request_id: str,
    ) -> DjangoResponse:
        with holder(share) as held:
            if body.length is None or 0 < body.length <= settings.WAYPOST_MAX_REQUEST_BYTES:
                await held.read(body, settings.WAYPOST_MAX_REQUEST_BYTES)
            return await run_django(
                environ_of(scope, headers, client, held, request_id),
                threads=self._threads_for(scope),
                share=_tenant_share(headers.get("authorization", ""), share),
                application=self._django,
            )

    def _serves(self, path: str) -> bool:
        """Return whether a path is served here: probes have a port of their own if WAYPOST_METRICS_PORT is set."""
        if self._serves_probes_only:
            return path in PROBES
        return not settings.WAYPOST_METRICS_PORT or path not in PROBES

    def _threads_for(self, scope: Any) -> FairThreads:
        """Return the threads that run a request: probes, and events that are not published natively, have their own."""
        if scope["path"] in PROBES:
            return self.probe_threads
        is_publishing = scope["method"] == "POST" and scope["path"] in BATCH_PATHS
        return self._batch_threads if is_publishing else request_threads()


def _joined(headers: Any) -> LowerCaseHeaders:
    """Return the headers by name; values of one name are joined (RFC 9110, section 5.3; cookies: RFC 6265, 5.4)."""
    found = LowerCaseHeaders()
    for name, value in headers:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        found[key] = f"{found[key]}{'; ' if key == 'cookie' else ','}{text}" if key in found else text
    return found


def _length(headers: Mapping[str, str]) -> int | None:
    """Return the announced length of the body, which the parser has checked; None for a chunked body."""
    return None if "transfer-encoding" in headers else int(headers.get("content-length") or 0)


def _tenant_share(authorization: str, address: Hashable) -> Hashable:
    """Return whose turn a request takes: that of the key's tenant, or of the address for a key not seen lately."""
    if authorization[: len(BEARER)].lower() != BEARER:
        return address
    key, _ = peek_key(authorization[len(BEARER) :].strip())
    return address if key is None else share_of(key)


# --- native views ----------------------------------------------------------------------------------------------


class NativeRoute(NamedTuple):
    """A native view, and the headers of all its responses."""

    view: NativeView
    headers: Sequence[tuple[bytes, bytes]] = ()


PULL = NativeRoute(pull_natively, ((b"allow", b"GET, OPTIONS"),))
PUBLISH = NativeRoute(publish_natively, ((b"allow", b"GET, POST, HEAD, OPTIONS"),))
RECEIVE = NativeRoute(receive_native)


def _native_route(scope: Any, headers: Mapping[str, str], client: Client) -> NativeRoute | None:
    """Return the native view of a request, or None if Django has to respond."""
    if scope["method"] not in ("POST", "GET") or not _is_allowed_host(headers.get("host", "")):
        return None
    if settings.SECURE_SSL_REDIRECT and client.scheme != "https":
        return None
    if scope["method"] == "GET":
        return PULL if endpoint_of_path(scope["path"]) is not None else None
    if scope["path"] in PUBLISH_PATHS:
        return PUBLISH if can_publish_natively(headers, scope["query_string"]) else None
    return RECEIVE if scope["path"].startswith("/in/") else None


@short_text_cache(1024)
def _is_allowed_host(host: str) -> bool:
    return validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS)


def _native_request(
    scope: Any, headers: Mapping[str, str], client: Client, share: Hashable, body: AsgiRequestBody
) -> NativeRequest:
    return NativeRequest(
        method=scope["method"],
        scheme=client.scheme,
        host=headers.get("host", ""),
        path=scope["path"],
        query_string=scope["query_string"].decode("latin-1"),
        headers=headers,
        remote_address=client.address,
        is_proxied=client.is_proxied,
        share=share,
        body=body,
        **({"gone": gone.wait} if (gone := scope.get(GONE)) is not None else {}),
    )


async def _send_native(
    send: Send,
    response: NativeResponse | NativeStream,
    scheme: str,
    request_id: str,
    more: Sequence[tuple[bytes, bytes]] = (),
) -> None:
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers.items()]
    headers += more
    if isinstance(response, NativeResponse):
        headers.append((b"content-length", b"%d" % len(response.body)))
    own = {name for name, _ in headers}
    headers += [header for header in _security_headers(scheme) if header[0] not in own]
    headers.append((REQUEST_ID, request_id.encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    if isinstance(response, NativeResponse):
        await send({"type": "http.response.body", "body": response.body})
    else:
        await _send_pieces(send, response, request_id)


async def _send_pieces(send: Send, response: NativeStream, request_id: str) -> None:
    """Send the pieces of a response as they come. An error ends it, since its head was sent."""
    try:
        async for piece in response.pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    except Exception as error:
        log.error("stream.failed", request_id=request_id, exc_info=error)
    await send({"type": "http.response.body", "body": b""})


@lru_cache(maxsize=2)
def _security_headers(scheme: str) -> list[tuple[bytes, bytes]]:
    """Return the headers that Django's middleware adds to every response."""
    request = WSGIRequest({"REQUEST_METHOD": "POST", "wsgi.url_scheme": scheme, "wsgi.input": BytesIO()})
    respond = XFrameOptionsMiddleware(SecurityMiddleware(lambda _request: HttpResponse()))
    response: Any = respond(request)
    del response["content-type"]
    return [(name.lower().encode(), value.encode()) for name, value in response.items()]


def _error_response(scope: Any, error: Exception, request_id: str) -> NativeResponse:
    """Return the problem (RFC 9457) for what ended a request before a view responded."""
    if isinstance(error, ShareExceeded):
        error = TooManyInProgress(str(error))
    elif isinstance(error, BodyTooSlow):
        error = RequestTooSlow()
    known = errors.as_api_exception(error)
    if known is None:
        log.error("request.failed", request_id=request_id, exc_info=error)
        known = APIException("Internal error; it has been logged.")
    content, headers = errors.problem_content(known, in_body=scope["method"] not in ("GET", "HEAD", "OPTIONS"))
    return NativeResponse(known.status_code, orjson.dumps(content), {"content-type": errors.PROBLEM, **headers})


application = WebApplication()
