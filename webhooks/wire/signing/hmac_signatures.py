"""Make and verify HMAC signatures of streamed bodies, compared in constant time as text.

The text of the expected signature is compared, not its bytes, so that only one spelling matches: none that is longer,
shorter, in another case or padded otherwise.
"""

import hmac
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence

from webhooks.wire.errors import BadSecret, NoMatchingSignature


class HmacVerifier:
    """Verify that one of the signatures is the HMAC of a streamed body under one of the keys.

    `head` is signed before the body, `tail` after it. `encode` writes a MAC as the sender does.
    """

    __slots__ = ("_encode", "_macs", "_signatures", "_tail")

    def __init__(
        self,
        keys: Iterable[bytes],
        signatures: Sequence[str],
        encode: Callable[[hmac.HMAC], str],
        *,
        digest: str = "sha256",
        head: bytes = b"",
        tail: bytes = b"",
    ) -> None:
        self._macs = [hmac.new(key, head, digest) for key in keys]
        self._signatures, self._encode, self._tail = signatures, encode, tail

    def update(self, chunk: bytes) -> None:
        """Add the next piece of the body."""
        for mac in self._macs:
            mac.update(chunk)

    def finish(self) -> int:
        """Return the index of the key that matches. Raises NoMatchingSignature."""
        matching = []
        for index, mac in enumerate(self._macs):
            mac.update(self._tail)
            expected = self._encode(mac)
            matching += [index for signature in self._signatures if constant_time_equal(expected, signature)]
        return first_match(matching)


def constant_time_equal(expected: str, given: str) -> bool:
    """Compare two texts in constant time. Unpaired surrogates are allowed."""
    return hmac.compare_digest(expected.encode("utf-8", "surrogatepass"), given.encode("utf-8", "surrogatepass"))


def hmac_signature(secret: str, content: bytes, encode: Callable[[hmac.HMAC], str], digest: str = "sha256") -> str:
    """Return the signature of this content with a secret that is used as text. Raises BadSecret."""
    return encode(hmac.new(keys_from_text([secret])[0], content, digest))


def matching_index(secrets: Sequence[str], given: str) -> int:
    """Return the index of the secret that equals this text, in constant time. Raises NoMatchingSignature."""
    return first_match([index for index, secret in enumerate(secrets) if constant_time_equal(secret, given)])


def first_match(indexes: Sequence[int]) -> int:
    """Return the first of the matching indexes. Raises NoMatchingSignature if there is none."""
    if not indexes:
        raise NoMatchingSignature
    return indexes[0]


def hex_digest(mac: hmac.HMAC) -> str:
    """Encode a digest as lower-case hex."""
    return mac.hexdigest()


def base64_digest(mac: hmac.HMAC) -> str:
    """Encode a digest as base64."""
    return b64encode(mac.digest()).decode()


def keys_from_text(secrets: Sequence[str]) -> list[bytes]:
    """Return the keys of secrets that are used as text. Raises BadSecret if there is none, or a blank one."""
    if not secrets:
        raise BadSecret("at least one is required")
    if any(not isinstance(secret, str) or not secret.strip() for secret in secrets):
        raise BadSecret("must not be blank")
    return [secret.encode("utf-8", "surrogatepass") for secret in secrets]
