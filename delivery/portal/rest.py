"""Call operations of the REST API within this process, as the tenant of a portal session.

A call runs the view that a request from outside would run, with the same limits (idempotency keys, expensive requests),
the same checks and the same errors. Its principal is the session: one tenant, perhaps one endpoint, and the scope of
this one operation, if the session has the capabilities that the operation needs.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import orjson
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, Resolver404, resolve, reverse
from django.utils.translation import gettext_lazy

from delivery.portal import forms
from delivery.portal.operations import OPERATIONS, PAYLOADS, SECRETS, Operation
from subscriptions.api.authentication import Principal, act_as
from subscriptions.api.conventions.expensive_requests import ExpensiveRequests
from subscriptions.api.conventions.idempotency import Idempotency
from subscriptions.models import Capability, PortalLink, Scope
from webhooks.audit.entries import record_end
from webhooks.audit.looks import share_looks
from webhooks.audit.models import AuditEntry
from webhooks.kit.audit.operation import current_operation
from webhooks.wire.json_numbers import raw

# Members that contain data of events, or what an endpoint responded to them.
PAYLOAD_MEMBERS = frozenset(
    {"data_base64", "request", "response", "response_headers", "curl", "body", "body_base64", "event", "mismatches"}
)
PAYLOAD_FILTERS = frozenset({"value"})  # parameters that tell what is in payloads
HIDDEN = None
IDEMPOTENCY_KEY = "Idempotency-Key"  # the field of an error about a key
WRONG_KEY: dict[int, Any] = {
    HTTPStatus.BAD_REQUEST: gettext_lazy("Nothing was changed: the form was incomplete. Send it again."),
    HTTPStatus.CONFLICT: gettext_lazy(
        "This form was sent before. See whether it took effect before you send it again."
    ),
    HTTPStatus.UNPROCESSABLE_ENTITY: gettext_lazy(
        "This form took effect before, with other values. Send it again to do this as well."
    ),
}
"""Texts for a form whose key was refused, by the HTTP status of the refusal."""
PASSED_ON = ("HTTP_HOST", "SERVER_NAME", "SERVER_PORT", "REMOTE_ADDR")  # of the request for the page


class Forbidden(Exception):
    """The session lacks a capability that the operation needs."""

    def __init__(self, missing: frozenset[Capability]) -> None:
        super().__init__(", ".join(sorted(missing)))
        self.missing = missing


class ReadFailed(Exception):
    """A page could not read what it shows; ``status`` and ``detail`` are those of the problem."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


@dataclass(frozen=True)
class ApiResponse:
    """The response of an operation: its status and its JSON body, None without one."""

    status: int
    data: Any

    @property
    def ok(self) -> bool:
        """Return whether the operation succeeded."""
        return self.status < 300

    @property
    def errors(self) -> dict[str, str]:
        """Return what is wrong by field; under the empty name, what concerns no field."""
        if self.ok:
            return {}
        found: dict[str, str] = {}
        for error in self.data.get("errors", ()):
            found.setdefault(error["field"], error["detail"])
        return found or {"": self.data.get("detail", "")}

    @property
    def detail(self) -> str:
        """Return what is wrong in one text."""
        return "" if self.ok else str(self.data.get("detail", ""))


class Portal:
    """The API as one session may use it."""

    def __init__(self, link: PortalLink, request: HttpRequest) -> None:
        self.link = link
        self.form_key = forms.new_key()
        """The key of the forms on the page: that which was sent only if its operation may still be in progress."""
        self._request = request

    def may(self, method: str, name: str) -> bool:
        """Return whether the session may call an operation; pages show only buttons that work."""
        operation = OPERATIONS[method, name]
        return operation.needs <= self.capabilities

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Return what the session allows."""
        return frozenset(Capability(name) for name in self.link.capabilities)

    @property
    def shows_payloads(self) -> bool:
        """Return whether the session may see data of events, and look for values in it."""
        return PAYLOADS in self.capabilities

    def read(self, name: str, *path: str, **query: Any) -> Any:
        """Return the JSON body of a GET. Raises Forbidden, and ReadFailed unless it succeeds."""
        response = self.call("GET", name, *path, query=query)
        if not response.ok:
            raise ReadFailed(response.status, response.detail)
        return response.data

    def call(
        self,
        method: str,
        name: str,
        *path: str,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        idempotency_key: str = "",
    ) -> ApiResponse:
        """Call an operation and return its response; the audit has an entry of a change. Raises Forbidden.

        ``name``: that of the route; ``path``: what is filled into it; ``query``: parameters without a value are left
        out. An operation that is not listed raises KeyError. ``idempotency_key``: that of the form, which takes effect
        once; empty: each time.
        """
        operation = OPERATIONS[method, name]
        if not operation.needs <= self.capabilities:
            raise Forbidden(operation.needs - self.capabilities)
        if not self.shows_payloads and any((query or {}).get(name) for name in PAYLOAD_FILTERS):
            raise Forbidden(frozenset({PAYLOADS}))
        url = _path_of(name, path)
        if url is None:
            return ApiResponse(404, {"detail": "Not found."})
        request = self._build(method, url, query or {}, body, idempotency_key)
        act_as(request, self._principal(operation))
        share_looks(self._request, request)
        if operation.is_change:
            _begin_change(f"{method} {name}")
        response = _rendered(_chain(request))
        found = ApiResponse(response.status_code, orjson.loads(response.content) if response.content else None)
        if found.ok and operation.is_change:
            _end_change()
        if not found.ok:
            return self._in_words(found, idempotency_key)
        return ApiResponse(found.status, self._visible(found.data, operation))

    def _in_words(self, refused: ApiResponse, key: str) -> ApiResponse:
        """Return what to do about the key of a form, which no one has typed; any other refusal as it is."""
        if IDEMPOTENCY_KEY not in refused.errors and refused.status != HTTPStatus.UNPROCESSABLE_ENTITY:
            return refused
        if refused.status == HTTPStatus.CONFLICT:
            self.form_key = key
        return ApiResponse(refused.status, {"detail": str(WRONG_KEY[refused.status])})

    def _principal(self, operation: Operation) -> Principal:
        """Return the principal of one call. One that creates API keys holds what such a key may hold: no publishing."""
        scopes = {Scope(operation.scope)}
        if operation.needs >= {SECRETS, PAYLOADS}:
            scopes.add(Scope.READ)
        link = self.link
        label = f"portal: {link.user or link.public_id}"
        return Principal(
            link.pk,
            link.tenant_id,
            frozenset(scopes),
            label,
            link.tenant,
            link.endpoint_id,
            "portal",
            hides_payloads=not self.shows_payloads,
        )

    def _build(self, method: str, path: str, query: Mapping[str, Any], body: Any, key: str) -> WSGIRequest:
        content = b"" if body is None else _written(body)
        outer = self._request.META
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path.encode().decode("latin-1"),  # PEP 3333
            "SCRIPT_NAME": "",
            "QUERY_STRING": urlencode({name: value for name, value in query.items() if value not in (None, "")}),
            "CONTENT_TYPE": "application/json" if content else "",
            "CONTENT_LENGTH": str(len(content)),
            "wsgi.input": BytesIO(content),
            "wsgi.url_scheme": self._request.scheme,
            **{name: outer[name] for name in PASSED_ON if name in outer},
        }
        if key:
            environ["HTTP_IDEMPOTENCY_KEY"] = f"portal-{self.link.pk}-{key}"
        return WSGIRequest(environ)

    def _visible(self, data: Any, operation: Operation) -> Any:
        """Return what the session may see of a response."""
        if operation.has_payloads and not self.shows_payloads:
            data = _without_payloads(data)
        if isinstance(data, dict) and SECRETS not in self.capabilities:
            data = {name: value for name, value in data.items() if name not in ("secret", "key")}
        return data


def _path_of(name: str, path: Sequence[str]) -> str | None:
    """Return the path of an operation, decoded; None for what no id can be, also the name of another operation."""
    try:
        found = unquote(reverse(name, args=path))
        return found if resolve(found).url_name == name else None
    except (NoReverseMatch, Resolver404):
        return None


def _written(body: Any) -> bytes:
    """Write a body that a form has filled, also what orjson does not write: the API says what is wrong with it."""
    try:
        return orjson.dumps(body, default=raw)
    except TypeError:
        return json.dumps(body, default=str).encode()


def _begin_change(name: str) -> None:
    """Tell the audit that the request for the page does this."""
    if (done := current_operation()) is not None:
        done.origin, done.name = AuditEntry.Origin.PORTAL, name


def _end_change() -> None:
    """Write an entry of the audit about a change of no row that has entries, such as a test delivery."""
    if (done := current_operation()) is not None:
        record_end(done)


def cursor_of(link: str | None) -> str:
    """Return the cursor in the link to another page of a list; empty without one."""
    return parse_qs(urlsplit(link or "").query).get("cursor", [""])[0]


def _without_payloads(data: Any) -> Any:
    if isinstance(data, list):
        return [_without_payloads(item) for item in data]
    if not isinstance(data, dict):
        return data
    return {
        name: HIDDEN if name in PAYLOAD_MEMBERS and not _is_reference(name, value) else _without_payloads(value)
        for name, value in data.items()
    }


def _is_reference(name: str, value: Any) -> bool:
    """Return whether a member named ``event`` is the id of an event, not the event."""
    return name == "event" and isinstance(value, str) and value.startswith("evt_") and len(value) == len("evt_") + 26


def _run(request: HttpRequest) -> HttpResponse:
    match = resolve(request.path_info)
    request.resolver_match = match
    refused = _expensive.process_view(request, match.func, match.args, match.kwargs)
    response: Any = refused or match.func(request, *match.args, **match.kwargs)
    return _rendered(response)


def _rendered(response: Any) -> HttpResponse:
    """Return the response with its content, which REST framework produces late."""
    if hasattr(response, "render") and not response.is_rendered:
        response.render()
    found: HttpResponse = response
    return found


_expensive = ExpensiveRequests(_run)
_chain = Idempotency(_expensive)
