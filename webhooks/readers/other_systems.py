"""Call the other system of a source on behalf of a request: see ``webhooks.outgoing.blocking_calls``."""

from collections.abc import Callable, Hashable
from typing import TypeVar

from webhooks.kit.kinds.setting import masked
from webhooks.outgoing.blocking_calls import CallTimeout, run_blocking
from webhooks.outgoing.errors import CallFailed, LimitReached
from webhooks.sources.kinds.kind import Connection, InvalidSettings, Kind, Sample, SourceUnavailable, unexpected
from webhooks.wire.addresses.parsed_url import ForbiddenAddress

TEST_SECONDS = 6.0  # of a test; kinds connect within five

T = TypeVar("T")


def test_settings(kind: Kind, connection: Connection) -> Sample:
    """Connect with settings and say what was found. Raises SourceUnavailable, InvalidSettings, LimitReached."""
    try:
        return ask(lambda: kind.test(connection), connection.share, seconds=TEST_SECONDS)
    except SourceUnavailable as error:
        error.args = (masked(str(error), connection.credentials),)
        raise


def ask(work: Callable[[], T], share: Hashable, *, seconds: float) -> T:
    """Return what ``work`` returns; what it calls uses neither the database nor the request.

    No transaction should be open. Raises SourceUnavailable, also for what the library raises and after the time,
    InvalidSettings, and LimitReached if the owner (``share``) has too many calls in progress.
    """
    try:
        return run_blocking(work, share, seconds=seconds)
    except (SourceUnavailable, InvalidSettings, LimitReached):
        raise
    except CallTimeout:
        raise SourceUnavailable(f"No response within {seconds:g} s.") from None
    except (ForbiddenAddress, CallFailed) as error:
        raise SourceUnavailable(str(error)) from error
    except Exception as error:
        raise unexpected(error) from error
