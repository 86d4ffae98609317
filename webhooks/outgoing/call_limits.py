"""Limit the calls in progress: altogether, for each tenant, and for each host that a tenant calls.

A call is refused rather than queued: a caller waits for it, and a tenant whose servers respond never needs more. Hosts
have limits of their own, so that one server that hangs leaves a tenant places for others. No limit counts the calls of
several tenants to one host: it may serve many, such as a token server.
"""

from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from django.conf import settings

from webhooks.kit.fair.shares import Shares
from webhooks.outgoing.errors import TooManyCalls

MAX_CALLS = 512  # in progress, per process: each has a socket


def calls_per_host() -> int:
    """Return how many calls a tenant may have in progress to one host and port: half of all its calls."""
    return (int(settings.WAYPOST_CALLS_PER_TENANT) + 1) // 2


class CallLimits:
    """Count the calls in progress."""

    def __init__(self) -> None:
        self._tenants = Shares("outgoing calls", MAX_CALLS, most=settings.WAYPOST_CALLS_PER_TENANT)
        self._hosts = Shares("outgoing calls to one host", MAX_CALLS, most=calls_per_host())

    @contextmanager
    def place(self, share: Hashable, host: str) -> Iterator[None]:
        """Take a place for one call during a `with` statement. Raises TooManyCalls."""
        if not self._hosts.take((share, host)):
            raise _too_many(f"{calls_per_host()} calls of a tenant to one host")
        try:
            if not self._tenants.take(share):
                raise _too_many(f"{settings.WAYPOST_CALLS_PER_TENANT} calls of a tenant")
            try:
                yield
            finally:
                self._tenants.release(share)
        finally:
            self._hosts.release((share, host))


def _too_many(what: str) -> TooManyCalls:
    return TooManyCalls("WAYPOST_CALLS_PER_TENANT", f"At most {what} run at once; wait for earlier ones.")
