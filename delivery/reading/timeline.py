"""A delivery's life as one list of moments, in the order they happened, with the waits between them.

PURE: rows in, values out. For whoever has to see at a glance why something did not arrive: the admin, the portal.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from delivery.models import Attempt, DeadLetter, Delivery
from delivery.transports.outcome import Failure

__all__ = ["ANSWER_CHARACTERS", "Moment", "answer_text", "timeline"]

ANSWER_CHARACTERS = 4_096  # of an answer are shown; the row keeps up to 16 KiB
WORTH_SAYING = timedelta(seconds=1)  # a shorter wait is none

TONES = {"delivered": "good", "failed": "bad", "died": "bad"}
EXPLAINED = {
    Failure.TIMEOUT: "no answer before the deadline",
    Failure.DNS: "the name did not resolve",
    Failure.CONNECT: "nobody accepted the connection",
    Failure.RESET: "the connection broke before the answer was complete",
    Failure.TLS: "the certificate or the handshake was refused",
    Failure.FORBIDDEN: "the name led to an address that may not be called",
    Failure.PROTOCOL: "what came back was not HTTP",
    Failure.UNSIGNED: "no usable secret: nothing was sent",
    Failure.CREDENTIALS: "no token, or no readable credentials: nothing was sent",
    Failure.INTERNAL: "we could not make a request of it (our log says why): nothing was sent",
    Failure.UNKNOWN: "the sender died before it could tell",
}


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment (``due`` is to come). ``kind``: published, delivered, failed, died, redriven, cancelled or due.

    ``waited`` is how long nothing had happened before it. The fields of an attempt are empty for the others;
    ``share`` is the attempt's duration as a percentage of the longest one's.
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
    answer: str = ""

    @property
    def tone(self) -> str:
        """good, bad or plain: the colour of its dot."""
        return TONES.get(self.kind, "plain")


def timeline(delivery: Delivery, attempts: Sequence[Attempt], letters: Iterable[DeadLetter]) -> list[Moment]:
    """From its publication to what is due next. ``attempts`` and ``letters`` may come in any order."""
    longest = max((attempt.duration_ms for attempt in attempts), default=0)
    moments = [Moment("published", delivery.created_at, "Published")]
    moments += [_attempt(attempt, longest) for attempt in attempts]
    for letter in letters:
        moments += _letter(letter)
    if delivery.state == Delivery.State.CANCELLED and delivery.cancelled_at:
        detail = f"by {delivery.cancelled_by or 'somebody'}"
        moments.append(Moment("cancelled", delivery.cancelled_at, "Cancelled", detail))
    moments.sort(key=lambda moment: moment.at)
    moments += _next(delivery)
    return list(_with_waits(moments))


def answer_text(answer: bytes | memoryview | None) -> tuple[str, bool]:
    """An answer's beginning as text, and whether there was more of it. What is not UTF-8 becomes U+FFFD."""
    text = bytes(answer or b"").decode("utf-8", "replace")
    return text[:ANSWER_CHARACTERS], len(text) > ANSWER_CHARACTERS


def _attempt(attempt: Attempt, longest: int) -> Moment:
    text, cut = answer_text(attempt.answer)
    return Moment(
        kind="failed" if attempt.error else "delivered",
        at=attempt.started_at,
        title=f"Attempt {attempt.number}",
        detail=EXPLAINED.get(Failure(attempt.error), "") if attempt.error in set(Failure) else "",
        number=attempt.number,
        status=attempt.status,
        error=attempt.error,
        duration_ms=attempt.duration_ms,
        share=max(1, round(100 * attempt.duration_ms / longest)) if longest else 1,
        answer=text + "…" if cut else text,
    )


def _letter(letter: DeadLetter) -> Iterator[Moment]:
    detail = letter.reason or str(letter.get_cause_display())
    yield Moment("died", letter.died_at, "Given up", detail)
    if letter.redriven_at:
        yield Moment("redriven", letter.redriven_at, "Brought back", f"by {letter.redriven_by or 'somebody'}")


def _next(delivery: Delivery) -> Iterator[Moment]:
    if delivery.state == Delivery.State.PENDING and delivery.next_attempt_at:
        yield Moment("due", delivery.next_attempt_at, "Next attempt", "waits its turn from then on")
    elif delivery.state == Delivery.State.SENDING and delivery.claimed_until:
        yield Moment(
            "due", delivery.claimed_until, "Being sent", "tried again if its sender has not settled it by then"
        )


def _with_waits(moments: Iterable[Moment]) -> Iterator[Moment]:
    """The wait before an attempt counts from the end of the one before, not from its start."""
    free_at: datetime | None = None
    for moment in moments:
        waited = moment.at - free_at if free_at else timedelta()
        yield replace(moment, waited=waited) if waited >= WORTH_SAYING else moment
        free_at = moment.at + timedelta(milliseconds=moment.duration_ms or 0)
