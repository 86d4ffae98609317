"""Raise the problems of the API (RFC 9457) as exceptions, by what a caller does about them."""

from collections.abc import Mapping
from typing import Any


class WaypostError(Exception):
    """Report that a call failed."""


class NotConnected(WaypostError):
    """Report that no response arrived, after all attempts. Whether the request was carried out is unknown."""


class Problem(WaypostError):
    """Report a response that is no success.

    ``status``: of HTTP. ``code``: stable word for programs, such as ``plan_limit``. ``detail``: sentence for people.
    ``errors``: a mapping with ``field``, ``detail`` and ``code`` for each invalid field. ``request_id``: for the logs
    of the platform. ``body``: all members of the problem.
    """

    def __init__(
        self, status: int, body: Mapping[str, Any], request_id: str = "", retry_after: float | None = None
    ) -> None:
        self.status = status
        self.body = dict(body)
        self.code = str(body.get("code", ""))
        self.detail = str(body.get("detail") or body.get("title") or f"status {status}")
        self.errors: list[Mapping[str, Any]] = list(body.get("errors") or [])
        self.request_id = request_id
        self.retry_after = retry_after
        fields = "; ".join(f"{it.get('field')}: {it.get('detail')}" for it in self.errors)
        super().__init__(f"{fields or self.detail} ({self.code or status})")


class InvalidRequest(Problem):
    """400, 413, 415, 422: the request has to be changed; ``errors`` names the fields."""


class NotAuthenticated(Problem):
    """401: the key is missing, unknown, expired or revoked."""


class NotAllowed(Problem):
    """402, 403: the key lacks a scope, or a limit of the plan is reached."""


class NotFound(Problem):
    """404: there is nothing with this id, or it belongs to another tenant."""


class Conflict(Problem):
    """409, 412: the state of the resource does not allow this, or it was changed meanwhile."""


class TooManyRequests(Problem):
    """429: repeat after ``retry_after`` seconds. The client has done so already, as often as ``attempts`` says."""


class ServerError(Problem):
    """500 and above: the platform failed."""


_BY_STATUS: dict[int, type[Problem]] = {
    **dict.fromkeys((400, 413, 415, 422), InvalidRequest),
    401: NotAuthenticated,
    402: NotAllowed,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    412: Conflict,
    429: TooManyRequests,
}


def problem_of(status: int, body: Mapping[str, Any], request_id: str, retry_after: float | None) -> Problem:
    """Return the exception for a response."""
    kind = ServerError if status >= 500 else _BY_STATUS.get(status, Problem)
    return kind(status, body, request_id, retry_after)
