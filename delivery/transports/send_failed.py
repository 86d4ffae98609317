"""Describe why a destination did not take a message: raised, or returned for one of several messages.

PURE.
"""

from delivery.transports.outcome import Failure, Outcome

REJECTING = frozenset({Failure.REFUSED, Failure.TOO_LARGE, Failure.ACCESS_DENIED, Failure.NOT_FOUND})
"""Failures of a destination that works, and does not accept this message or these settings."""
OVERLOADED = frozenset({Failure.THROTTLED, Failure.TIMEOUT})
MAX_TEXT = 1024  # bytes of the destination's own words that are recorded


class SendFailed(Exception):
    """The destination did not take a message.

    ``text``: its own words, without credentials; recorded as the response. ``status``: its own number, if it has one.
    ``asked_pause``: seconds in which it is sent nothing at all. ``not_attempted``: nothing was sent, because of a limit
    of ours. ``connection_is_usable``: whether the connection may be used again. ``setting``: which one is at fault, if
    that is known (``settings.topic``), for tests of settings.
    """

    def __init__(
        self,
        failure: Failure,
        text: str = "",
        *,
        status: int | None = None,
        asked_pause: float | None = None,
        not_attempted: bool = False,
        connection_is_usable: bool = False,
        setting: str = "",
    ) -> None:
        super().__init__(f"{failure}: {text}")
        self.failure = failure
        self.text = text
        self.status = status
        self.asked_pause = asked_pause
        self.not_attempted = not_attempted
        self.connection_is_usable = connection_is_usable
        self.setting = setting

    def outcome(self, started_at: float, duration_ms: int) -> Outcome:
        """Return the outcome of an attempt that failed with this."""
        return Outcome(
            started_at,
            duration_ms,
            self.status,
            self.failure,
            self.text.encode("utf-8", "replace")[:MAX_TEXT],
            asked_pause=self.asked_pause,
            rejected=self.failure in REJECTING,
            overloaded=self.failure in OVERLOADED,
            not_attempted=self.not_attempted,
        )
