"""The checks of one library: genuine, altered, another secret, stale."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from tests.webhooks.senders.rules import BODY, RULES, URL, Sent
from webhooks import schemes
from webhooks.schemes import UnsignedMessage
from webhooks.senders.presets import find_sender
from webhooks.wire.errors import SenderKeyRequired, SignatureError, StaleTimestamp
from webhooks.wire.header_values import lowered

LONG_AGO = 100_000_000  # seconds, past every tolerance


@dataclass(frozen=True)
class Library:
    """A library that verifies messages of a sender.

    ``accepts`` gets the secret and a message; it returns False or raises one of ``refuses`` if it does not accept it.
    ``body`` is what the preset signs, with NOW_MS for the time; ``altered`` changes what is signed in the sent body or
    query, None if the library checks neither. ``checks_time``: the library refuses old messages. ``signs`` is given if
    the library signs as well: the secret and the time to a message.
    """

    sender: str
    package: str
    accepts: Callable[[str, Sent], object]
    refuses: tuple[type[Exception], ...] = ()
    body: bytes = BODY
    altered: tuple[str, str] | None = ("42", "43")
    checks_time: bool = False
    signs: Callable[[str, int], Sent] | None = None

    def __str__(self) -> str:
        return f"{self.sender}: {self.package}"


def check_genuine(library: Library) -> None:
    """Check that the library accepts the messages of the preset and of the rule, and the preset the library's."""
    rule, now = RULES[library.sender], int(time.time())
    assert _accepts(library, rule.secret, _signed(library, rule.secret, now))
    assert not rule.other or not _accepts(library, rule.other, _signed(library, rule.secret, now))
    if library.body == BODY:
        assert _accepts(library, rule.secret, rule.sign(rule.secret, now))
    if library.signs:
        _verify(library, rule.secret, library.signs(rule.secret, now), now)
        with pytest.raises(SignatureError):
            _verify(library, rule.other, library.signs(rule.secret, now), now)


def check_altered(library: Library) -> None:
    """Check that neither accepts a message that was altered after it was signed."""
    rule, now = RULES[library.sender], int(time.time())
    sent = _signed(library, rule.secret, now)
    _verify(library, rule.secret, sent, now)
    assert library.altered
    old, new = library.altered
    altered = replace(sent, body=sent.body.replace(old.encode(), new.encode()), query=sent.query.replace(old, new))
    assert altered != sent
    assert not _accepts(library, rule.secret, altered)
    with pytest.raises(SignatureError):
        _verify(library, rule.secret, altered, now)


def check_stale(library: Library) -> None:
    """Check that neither accepts a message that was signed long ago."""
    rule, now = RULES[library.sender], int(time.time())
    sent = _signed(library, rule.secret, now - LONG_AGO)
    assert not _accepts(library, rule.secret, sent)
    with pytest.raises(StaleTimestamp):
        _verify(library, rule.secret, sent, now)


def _accepts(library: Library, secret: str, sent: Sent) -> bool:
    try:
        return library.accepts(secret, sent) is not False
    except library.refuses:
        return False


def _signed(library: Library, secret: str, now: int) -> Sent:
    """Return the preset's sample; the message of the rule where only the sender has the key."""
    scheme = schemes.get(find_sender(library.sender).fields["scheme"], _options(library))
    body = library.body.replace(b"NOW_MS", b"%d000" % now)
    try:
        sample = scheme.sign(secret, UnsignedMessage(body, URL, now, "msg_1", "order.paid"))
    except SenderKeyRequired:
        return RULES[library.sender].sign(secret, now)
    return Sent({**sample.headers}, sample.body, sample.query)


def _verify(library: Library, secret: str, sent: Sent, now: int) -> None:
    fields = find_sender(library.sender).fields
    schemes.verify(
        fields["scheme"],
        [secret] if secret else [],
        lowered(sent.headers),
        sent.body,
        url=f"{URL}?{sent.query}" if sent.query else URL,
        now=now,
        tolerance=int(fields.get("timestamp_tolerance_seconds", 300)),
        options=_options(library),
        fetch=RULES[library.sender].fetch,
    )


def _options(library: Library) -> dict[str, str]:
    own = RULES[library.sender].fields.get("options", {})
    return {**find_sender(library.sender).fields.get("options", {}), **own}
