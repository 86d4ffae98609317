"""Name the digests and encodings of signatures, and decode secrets."""

import binascii
import hashlib
import hmac
import unicodedata
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from typing import Protocol

from webhooks.wire import base64_text

_BASE64URL = str.maketrans("-_", "+/")
MAX_SIGNATURES = 16  # in one message; each is checked with every secret

DIGESTS = frozenset({"md5", "sha1", "sha256", "sha384", "sha512"})


def _spelled_base64(text: str) -> str:
    """Return base64 in its standard alphabet and without padding (RFC 4648, sections 4 and 5)."""
    unpadded = text.rstrip("=")
    is_padded = len(text) - len(unpadded) in (0, -len(unpadded) % 4)
    return unpadded.translate(_BASE64URL) if is_padded else text


def _decode_any_base64(text: str) -> bytes:
    """Decode base64 in either alphabet, padded or not. Raises ValueError."""
    spelled = _spelled_base64(text)
    return base64_text.decode(spelled + "=" * (-len(spelled) % 4))


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
SPELLINGS: dict[str, Callable[[str], str]] = {
    "hex": str.lower,
    "hex_upper": str.lower,
    "base64": _spelled_base64,
    "base64url": _spelled_base64,
    "base64_of_hex": _spelled_base64,
}
"""One spelling of what each encoding may write in several ways."""
DECODINGS: dict[str, Callable[[str], bytes]] = {
    "hex": bytes.fromhex,
    "hex_upper": bytes.fromhex,
    "base64": _decode_any_base64,
    "base64url": _decode_any_base64,
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
