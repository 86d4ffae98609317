"""Make and verify HMAC signatures of streamed bodies, compared in constant time as text.

Comparing the text that would have been sent (not the bytes it decodes to) leaves one spelling of every
signature: a shorter, longer, re-cased or re-padded one is another text and does not match.
"""

import hmac
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence

from webhooks.wire.errors import BadSecret, MalformedHeader, NoMatchingSignature, StaleTimestamp

TOLERANCE = 300  # seconds; what every reference library allows
_SECONDS = re.compile(r"[0-9]{1,15}")


class HmacVerifier:
    """Does one of the signatures given fit the body still to come, under one of the keys?

    `head` is what is signed before the body, `tail` what is signed after it; `spell` writes a finished MAC as
    the sender does."""

    __slots__ = ("_given", "_macs", "_spell", "_tail")

    def __init__(
        self,
        keys: Iterable[bytes],
        given: Sequence[str],
        spell: Callable[[hmac.HMAC], str],
        *,
        digest: str = "sha256",
        head: bytes = b"",
        tail: bytes = b"",
    ) -> None:
        self._macs = [hmac.new(key, head, digest) for key in keys]
        self._given, self._spell, self._tail = given, spell, tail

    def update(self, chunk: bytes) -> None:
        """Add the next piece of the body."""
        for mac in self._macs:
            mac.update(chunk)

    def finish(self) -> int:
        """Return the index of the key that matches. Raises NoMatchingSignature."""
        fitting = []
        for place, mac in enumerate(self._macs):
            mac.update(self._tail)
            expected = self._spell(mac)
            fitting += [place for given in self._given if constant_time_equal(expected, given)]
        if not fitting:
            raise NoMatchingSignature
        return fitting[0]


def constant_time_equal(expected: str, given: str) -> bool:
    """Are two texts equal? Takes the same time wherever they differ; any text will do, valid Unicode or not."""
    return hmac.compare_digest(expected.encode("utf-8", "surrogatepass"), given.encode("utf-8", "surrogatepass"))


def hmac_signature(secret: str, content: bytes, spell: Callable[[hmac.HMAC], str], digest: str = "sha256") -> str:
    """The signature of this content under a secret that is used as text. Raises BadSecret."""
    return spell(hmac.new(keys_from_text([secret])[0], content, digest))


def matching_index(secrets: Sequence[str], given: str) -> int:
    """The place of the secret that was given, in the same time whichever it is. Raises NoMatchingSignature."""
    fitting = [place for place, secret in enumerate(secrets) if constant_time_equal(secret, given)]
    if not fitting:
        raise NoMatchingSignature
    return fitting[0]


def hex_digest(mac: hmac.HMAC) -> str:
    return mac.hexdigest()


def base64_digest(mac: hmac.HMAC) -> str:
    return b64encode(mac.digest()).decode()


def keys_from_text(secrets: Sequence[str]) -> list[bytes]:
    """Secrets that are used as the text they are. Raises BadSecret if there is none, or a blank one."""
    if not secrets:
        raise BadSecret("at least one is required")
    if any(not isinstance(secret, str) or not secret.strip() for secret in secrets):
        raise BadSecret("must not be blank")
    return [secret.encode("utf-8", "surrogatepass") for secret in secrets]


def check_timestamp(header: str, value: str, *, now: float, tolerance: float, future: float | None = None) -> int:
    """The Unix seconds in a header, if they are within `tolerance` seconds of `now`, inclusive. `future` is how
    far ahead they may lie, if that differs. Raises MalformedHeader for anything but digits, StaleTimestamp."""
    if not _SECONDS.fullmatch(value):
        raise MalformedHeader(header)
    seconds = int(value)
    if now - seconds > tolerance or seconds - now > (tolerance if future is None else future):
        raise StaleTimestamp(f"{seconds - now:+.0f} s from now, {tolerance:g} s allowed")
    return seconds
