"""Decide whether a request is sent again within its attempt, and record why.

There are three cases. In each of them no line of a response has arrived (HTTP/2: no frame of one):

1. HTTP/2 declares the request unprocessed: its stream was refused, or is above the last one of a GOAWAY (RFC 9113,
   8.7);
2. the server requires HTTP/1.1 (RFC 9113, 7: HTTP_1_1_REQUIRED);
3. the connection had carried a request before, and was closed: often the server closed it while it was idle, just as
   the request was sent.

libcurl calls ``Requests.may_send`` before each request, the first one included. It repeats requests by itself in the
first two cases and in most of the third; where sending failed on a kept connection, ``may_repeat_closed`` decides. The
request is always repeated on a new connection, so that it does not meet another one that is being closed.

In the first two cases the server cannot have processed the request. In the third it may have: a client must not repeat
a POST by itself, unless it knows that this does no harm (RFC 9112, 9.3.1). Here it is harmless, because deliveries are
made at least once anyway: receivers deduplicate by ``webhook-id``, and the retry plan would send the same bytes again
in some seconds. But a connection that is closed later than REPEAT_WITHIN after the request was probably closed by the
work on it. That is a failed attempt; so is a new connection that is closed without a response, and whatever fails after
the first line of a response.
"""

import time
from collections.abc import Callable
from enum import StrEnum

MAX_REPEATS = 2  # within one attempt: a server that refuses everything gets three requests
REPEAT_WITHIN = 2.0  # seconds from a request to the end of its connection: several round trips, less than most work


class Repeat(StrEnum):
    """Name why a request was sent again within its attempt. The names appear in the API and the admin."""

    CONNECTION_CLOSED = "connection_closed"  # a kept connection was closed without a response
    STREAM_REFUSED = "stream_refused"  # HTTP/2: refused, above the last stream of a GOAWAY, or closed as above
    HTTP_1_1_REQUIRED = "http_1_1_required"
    UNAUTHORIZED = "unauthorized"  # the endpoint responded 401 to an access token, and got another one


CHOICES = [(it.value, it.value) for it in Repeat]


class Requests:
    """Count the requests of an attempt, and decide for each whether it may be sent; ``begin`` before each attempt.

    ``needs_new_connection``: libcurl would send the request again, but on a kept connection.
    """

    __slots__ = (
        *("_is_granted", "_is_new", "_is_repeating", "_opened_at", "_repeated", "_sent_at", "_was_new", "count"),
        "needs_new_connection",
    )

    def __init__(self) -> None:
        self._is_repeating = True
        self.begin()

    def begin(self) -> None:
        """Begin to count for another attempt."""
        self.count = 0
        self._is_new = False  # whether a connection was opened for the next request
        if self._is_repeating:  # few attempts do
            self._is_repeating = False
            self.needs_new_connection = False
            self._is_granted = False  # whether the next request was decided on before its connection was made
            self._was_new = False  # whether a connection was opened for the last request
            self._repeated: list[bool] = []  # the same of each request that was followed by another one
            self._opened_at = self._sent_at = 0.0  # monotonic seconds

    def on_open(self) -> None:
        """Note that a socket is opened for the next request."""
        self._is_new = True
        if self.count:
            self._opened_at = time.monotonic()

    def may_send(self, speaks_http_2: Callable[[], bool]) -> bool:
        """Return whether the next request may be sent, and count it if so.

        ``speaks_http_2``: whether the server has responded with HTTP/2 before.
        """
        is_new, self._is_new = self._is_new, False
        if self.count and not self._may_send_again(speaks_http_2, is_new=is_new):
            return False
        self.count += 1
        self._was_new = is_new
        self._sent_at = time.monotonic()
        return True

    def _may_send_again(self, speaks_http_2: Callable[[], bool], *, is_new: bool) -> bool:
        self._is_repeating = True
        is_declared = self._was_new or speaks_http_2()
        if not (self._is_granted or self._may_repeat(self._opened_at if is_new else time.monotonic(), is_declared)):
            return False
        self.needs_new_connection = not is_new
        if is_new:
            self._is_granted = False
            self._repeated.append(self._was_new)
        return is_new

    def may_repeat_closed(self) -> bool:
        """Return whether the last request may be repeated, given that its connection was closed without a response."""
        return self.count > 0 and not self._was_new and self._may_repeat(time.monotonic(), is_declared=False)

    def _may_repeat(self, now: float, is_declared: bool) -> bool:
        return self.count <= MAX_REPEATS and (is_declared or now - self._sent_at <= REPEAT_WITHIN)

    def grant(self) -> None:
        """Allow the next request, on the new connection that will be opened for it."""
        self._is_repeating = True
        self.needs_new_connection = False
        self._is_granted = True

    def reasons(self, version: str, *, speaks_http_2: bool) -> tuple[Repeat, ...]:
        """Return why each request after the first was sent. ``version`` of the response, such as 1.1; "" without one.

        libcurl does not report the reason. But only HTTP/2 declares requests unprocessed, and only a server that
        requires HTTP/1.1 is sent that after HTTP/2.
        """
        of_http_2 = [was_new or speaks_http_2 or version == "2" for was_new in self._repeated]
        found = [Repeat.STREAM_REFUSED if it else Repeat.CONNECTION_CLOSED for it in of_http_2]
        if found and found[-1] is Repeat.STREAM_REFUSED and version.startswith("1"):
            found[-1] = Repeat.HTTP_1_1_REQUIRED
        return tuple(found)
