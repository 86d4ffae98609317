"""Limit the calls in progress: altogether, for each tenant, and for each host that a tenant calls.

A call is refused rather than queued: a caller waits for it, and a tenant whose servers respond never needs more. Hosts
have limits of their own, so that one server that hangs leaves a tenant places for others. No limit counts the calls of
several tenants to one host: it may serve many, such as a token server.
"""

from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from webhooks.kit.fair.shares import Shares
from webhooks.outgoing.errors import TooManyCalls

MAX_CALLS = 512  # in progress, per process: each has a socket
CALLS_PER_TENANT = 16  # in progress, per process
CALLS_PER_HOST = 8  # of one tenant to one host and port, per process


class CallLimits:
    """Count the calls in progress."""

    def __init__(self) -> None:
        self._tenants = Shares("outgoing calls", MAX_CALLS, most=CALLS_PER_TENANT)
        self._hosts = Shares("outgoing calls to one host", MAX_CALLS, most=CALLS_PER_HOST)

    @contextmanager
    def place(self, share: Hashable, host: str) -> Iterator[None]:
        """Take a place for one call during a `with` statement. Raises TooManyCalls."""
        if not self._hosts.take((share, host)):
            raise TooManyCalls("calls_per_host", f"At most {CALLS_PER_HOST} calls of a tenant to one host run at once.")
        try:
            if not self._tenants.take(share):
                raise TooManyCalls("calls_per_tenant", f"At most {CALLS_PER_TENANT} calls of a tenant run at once.")
            try:
                yield
            finally:
                self._tenants.release(share)
        finally:
            self._hosts.release((share, host))
