"""Build the timeline of a delivery: what happened, newest first, with the waits in between.

Pure: rows in, values out. Used by the admin.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from delivery.models import Attempt, DeadLetter, Delivery
from delivery.transports.http.repeats import Repeat
from delivery.transports.http.response_headers import read_headers
from delivery.transports.http.responses import SWITCHING_PROTOCOLS
from delivery.transports.outcome import Failure
from webhooks.wire.ids import public

RESPONSE_CHARACTERS = 4_096  # characters of a response that are shown; the row stores up to 16 KiB
SHORTEST_WAIT = timedelta(seconds=1)  # shorter waits are not shown

TONES = {"delivered": "good", "failed": "bad", "dead_letter": "bad"}
EXPLAINED = {
    Failure.TIMEOUT: "No response before the timeout",
    Failure.DNS: "Host name not found",
    Failure.CONNECT: "Connection refused: no server listens at this port of the host; check the port, and that it runs",
    Failure.UNREACHABLE: "Host unreachable: no route leads to its address; check its DNS record, network and firewall",
    Failure.RESET: "Connection closed before the status line of a response",
    Failure.TLS: "TLS handshake failed: check the TLS settings of the server; does it require a client certificate?",
    Failure.TLS_EXPIRED: "The certificate of the server is expired or not valid yet: renew it",
    Failure.TLS_NAME: "The certificate of the server is for another host name: issue one for the host of the URL",
    Failure.TLS_ISSUER: "The issuer of the certificate is unknown: have the server send its intermediate certificates, "
    "use a public authority, or set the endpoint's `tls.ca`",
    Failure.TLS_VERSION: "The server has no TLS 1.2 or later: enable it",
    Failure.TLS_PLAINTEXT: "The server does not speak TLS at this port: check scheme and port of the URL",
    Failure.TLS_CLIENT: "The server requires a client certificate, or does not accept ours: check the endpoint's `tls`",
    Failure.FORBIDDEN: "Address not allowed",
    Failure.PROTOCOL: "Response has no valid HTTP status line: check scheme and port of the URL",
    Failure.REFUSED: "The destination did not accept this message: see its response",
    Failure.TOO_LARGE: "The message is larger than the destination accepts; nothing was sent: send a reference instead",
    Failure.ACCESS_DENIED: "Access denied: check the credentials of the endpoint, and what they allow",
    Failure.NOT_FOUND: "The destination has no such queue, topic, stream or table: check the settings of the endpoint",
    Failure.THROTTLED: "The destination accepts no more messages for now: set a rate limit, or raise its quota",
    Failure.UNAVAILABLE: "The destination has an error of its own: see its response",
    Failure.UNSIGNED: "Signing failed: no usable secret; nothing was sent",
    Failure.CREDENTIALS: "No OAuth token or unreadable credentials; nothing was sent",
    Failure.BODY_NOT_OBJECT: "The credential is added to the body, which is no JSON object; nothing was sent: have the "
    "transformer make an object, or give the credential in a header",
    Failure.INTERNAL: "Internal error (see the log); nothing was sent",
    Failure.UNKNOWN: "Unknown result: the worker crashed",
}

FAILURE_NAMES: dict[Failure, str] = {
    Failure.STATUS: "no success",
    Failure.TIMEOUT: "timeout",
    Failure.DNS: "host name not found",
    Failure.CONNECT: "connection refused",
    Failure.UNREACHABLE: "host unreachable",
    Failure.RESET: "connection closed",
    Failure.TLS: "TLS handshake failed",
    Failure.TLS_EXPIRED: "certificate expired",
    Failure.TLS_NAME: "certificate for another host",
    Failure.TLS_ISSUER: "unknown certificate issuer",
    Failure.TLS_VERSION: "TLS version too old",
    Failure.TLS_PLAINTEXT: "no TLS at this port",
    Failure.TLS_CLIENT: "client certificate not accepted",
    Failure.FORBIDDEN: "address not allowed",
    Failure.PROTOCOL: "no HTTP response",
    Failure.REFUSED: "message not accepted",
    Failure.TOO_LARGE: "message too large",
    Failure.ACCESS_DENIED: "access denied",
    Failure.NOT_FOUND: "destination not found",
    Failure.THROTTLED: "throttled",
    Failure.UNAVAILABLE: "destination unavailable",
    Failure.UNSIGNED: "not signed: no usable secret",
    Failure.CREDENTIALS: "no OAuth token",
    Failure.BODY_NOT_OBJECT: "no place for the credential",
    Failure.INTERNAL: "internal error",
    Failure.UNKNOWN: "unknown: worker crashed",
}
"""Why an attempt failed in a few words, for lists and charts."""

REPEATED = {
    Repeat.CONNECTION_CLOSED: "the endpoint had closed the kept connection",
    Repeat.STREAM_REFUSED: "the endpoint had not processed it (HTTP/2)",
    Repeat.HTTP_1_1_REQUIRED: "the endpoint requires HTTP/1.1",
    Repeat.UNAUTHORIZED: "the endpoint did not accept the access token",
}


def explanation_of(error: str, status: int | None = None) -> str:
    """Return what went wrong in an attempt, and what to do about it; empty for a response, which says so itself."""
    if status == SWITCHING_PROTOCOLS:
        return "The server switches to another protocol, which was not requested: check the path of the URL"
    return EXPLAINED.get(Failure(error), "") if error in set(Failure) else ""


def failure_name(kind: str) -> str:
    """Return a kind of failure in words; any other text, such as an HTTP status, as it is."""
    return FAILURE_NAMES[Failure(kind)] if kind in set(Failure) else kind


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One entry.

    ``kind``: published, delivered, failed, dead_letter, replayed, cancelled, superseded, or due (in the future).
    ``waited``: time since the entry before. The fields of an attempt are empty for other kinds; ``share`` is its
    duration as a percentage of the longest attempt's.
    """

    kind: str
    at: datetime
    title: str
    detail: str = ""
    waited: timedelta | None = None
    number: int | None = None
    status: int | None = None
    error: str = ""
    duration_ms: int | None = None
    share: int = 0
    response: str = ""
    quoted: str = ""
    """The error of a transformer, which may quote the payload; hidden as payloads are."""

    @property
    def tone(self) -> str:
        """The colour of its dot: good, bad or plain."""
        return TONES.get(self.kind, "plain")


def timeline(delivery: Delivery, attempts: Sequence[Attempt], letters: Iterable[DeadLetter]) -> list[TimelineEntry]:
    """Return all entries from the next attempt back to publishing; ``attempts`` and ``letters`` may be in any order."""
    longest = max((attempt.duration_ms for attempt in attempts), default=0)
    entries = [TimelineEntry("published", delivery.created_at, "Published")]
    entries += [_attempt(attempt, longest) for attempt in attempts]
    for letter in letters:
        entries += _dead_letter(letter)
    if delivery.state == Delivery.State.CANCELLED and delivery.cancelled_at:
        detail = f"by {delivery.cancelled_by or 'unknown'}"
        entries.append(TimelineEntry("cancelled", delivery.cancelled_at, "Cancelled", detail))
    if delivery.state == Delivery.State.SUPERSEDED and delivery.superseded_at:
        newer = "a newer delivery" if delivery.superseded_by_id is None else public("dlv", delivery.superseded_by_id)
        entries.append(TimelineEntry("superseded", delivery.superseded_at, "Superseded", f"by {newer}"))
    entries.sort(key=lambda entry: entry.at)
    entries += _next(delivery)
    return list(_with_waits(entries))[::-1]


def response_text(response: bytes | memoryview | None) -> tuple[str, bool]:
    """Return the start of a response as text, and whether it was cut; invalid UTF-8 becomes U+FFFD."""
    text = bytes(response or b"").decode("utf-8", "replace")
    return text[:RESPONSE_CHARACTERS], len(text) > RESPONSE_CHARACTERS


def response_headers(attempt: Attempt) -> list[tuple[str, str]]:
    """Return the recorded headers of a response as pairs of name and value."""
    return read_headers(attempt.response_headers)


def _attempt(attempt: Attempt, longest: int) -> TimelineEntry:
    text, is_cut = response_text(attempt.response)
    return TimelineEntry(
        kind="failed" if attempt.error else "delivered",
        at=attempt.started_at,
        title=f"Attempt {attempt.number}",
        detail=". ".join(filter(None, [explanation_of(attempt.error, attempt.status), _repeated(attempt)])),
        number=attempt.number,
        status=attempt.status,
        error=attempt.error,
        duration_ms=attempt.duration_ms,
        share=max(1, round(100 * attempt.duration_ms / longest)) if longest else 1,
        response=text + "…" if is_cut else text,
    )


def repeats_of(attempt: Attempt) -> list[str]:
    """Return why the request of an attempt was sent again, one reason for each time."""
    return attempt.repeats.split(",") if attempt.repeats else []


def _repeated(attempt: Attempt) -> str:
    reasons = [REPEATED[Repeat(it)] for it in repeats_of(attempt)]
    return f"The request was sent {len(reasons) + 1} times: {', '.join(reasons)}" if reasons else ""


def _dead_letter(letter: DeadLetter) -> Iterator[TimelineEntry]:
    quoted = letter.reason if letter.quotes_payload else ""
    detail = str(letter.get_cause_display()) if quoted else letter.reason or str(letter.get_cause_display())
    yield TimelineEntry("dead_letter", letter.failed_at, "Failed permanently (dead letter)", detail, quoted=quoted)
    note = f": {letter.note}" if letter.note else ""
    if letter.acknowledged_at:
        by = f"by {letter.acknowledged_by or 'unknown'}"
        yield TimelineEntry("acknowledged", letter.acknowledged_at, "Acknowledged", by + note)
    if letter.closed_at:
        by = f"by {letter.closed_by or 'unknown'}"
        if letter.is_discarded:
            yield TimelineEntry("discarded", letter.closed_at, "Discarded", by + note)
        else:
            yield TimelineEntry("replayed", letter.closed_at, "Replayed", by)


def _next(delivery: Delivery) -> Iterator[TimelineEntry]:
    if delivery.state == Delivery.State.PENDING and delivery.next_attempt_at:
        yield TimelineEntry("due", delivery.next_attempt_at, "Next attempt", "Queued from then on")
    elif delivery.state == Delivery.State.SENDING and delivery.claimed_until:
        yield TimelineEntry("due", delivery.claimed_until, "Sending", "Retried if no result is recorded by then")


def _with_waits(entries: Iterable[TimelineEntry]) -> Iterator[TimelineEntry]:
    """Add the wait before each entry; after an attempt it counts from the attempt's end."""
    idle_since: datetime | None = None
    for entry in entries:
        waited = entry.at - idle_since if idle_since else timedelta()
        yield replace(entry, waited=waited) if waited >= SHORTEST_WAIT else entry
        idle_since = entry.at + timedelta(milliseconds=entry.duration_ms or 0)
