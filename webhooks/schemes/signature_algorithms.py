"""Name the digests and encodings of signatures, and decode secrets."""

import binascii
import hashlib
import hmac
import unicodedata
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Callable
from typing import Protocol

from webhooks.wire import base64_text

MAX_SIGNATURES = 16  # in one message; each is checked with every secret

DIGESTS = frozenset({"md5", "sha1", "sha256", "sha384", "sha512"})


class Digest(Protocol):
    """A digest of hashlib or hmac."""

    def update(self, data: bytes, /) -> None:
        """Add data."""

    def digest(self) -> bytes:
        """Return the digest of what was added."""


ENCODINGS: dict[str, Callable[[bytes], str]] = {
    "hex": bytes.hex,
    "hex_upper": lambda raw: raw.hex().upper(),
    "base64": lambda raw: b64encode(raw).decode(),
    "base64url": lambda raw: urlsafe_b64encode(raw).decode().rstrip("="),
    "base64_of_hex": lambda raw: b64encode(raw.hex().encode()).decode(),
}
DECODINGS: dict[str, Callable[[str], bytes]] = {
    "hex": bytes.fromhex,
    "hex_upper": bytes.fromhex,
    "base64": base64_text.decode,
    "base64url": lambda text: b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True),
}
SECRETS: dict[str, Callable[[bytes], bytes]] = {
    "text": lambda text: text,
    "hex": binascii.unhexlify,
    "base64": lambda text: base64_text.decode(text.decode("latin-1")),
    "nfkd": lambda text: unicodedata.normalize("NFKD", text.decode("utf-8", "surrogatepass")).encode(),
    "sha1": lambda text: hashlib.sha1(text).digest(),  # noqa: S324 (Braintree derives its key so)
    "sha256": lambda text: hashlib.sha256(text).digest(),
    "sha256_hex": lambda text: hashlib.sha256(text).hexdigest().encode(),
    "md5_hex": lambda text: hashlib.md5(text).hexdigest().encode(),  # noqa: S324 (as above)
}
"""How the text of a secret becomes a key: unchanged, decoded, or hashed."""


def new_digest(algorithm: str, key: bytes | None) -> Digest:
    """Return an HMAC with this key, or a plain digest if there is none."""
    return hashlib.new(algorithm) if key is None else hmac.new(key, digestmod=algorithm)
