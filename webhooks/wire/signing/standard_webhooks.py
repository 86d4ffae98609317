"""Sign and verify by Standard Webhooks 1.0.0: the signed content is `id.timestamp.body`.

The timestamp consists of digits and the id has no full stop, so the content is unambiguous. During a rotation the
sender signs with the new and the old key, the receiver knows both, and one match is enough: `v1` entries are compared
with secrets, `v1a` entries with public keys. Empty, unknown and malformed entries are ignored.
"""

import re
from collections.abc import Mapping, Sequence

from webhooks.wire.errors import (
    BadSecret,
    BodyTooLarge,
    InvalidSigningInput,
    MalformedHeader,
    MissingHeader,
    NoMatchingSignature,
)
from webhooks.wire.header_values import lowered
from webhooks.wire.signing.hmac_signatures import TOLERANCE, base64_digest, check_timestamp, constant_time_equal
from webhooks.wire.signing.keys import (
    PrivateKey,
    PublicKey,
    SecretKey,
    check_secret,
    new_keypair,
    new_secret,
    public_key_of,
    read_key,
    read_signature,
)

__all__ = [
    "HEADERS",
    "TOLERANCE",
    "Signer",
    "StandardWebhooksVerifier",
    "begin_verification",
    "check_secret",
    "new_keypair",
    "new_secret",
    "public_key_of",
    "sign",
    "verify",
]

PREFIX = "webhook-"
HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")

_ID = re.compile(r"[!-\-/-~]+")  # printable ASCII without space and full stop
_MAX_TIMESTAMP = 10**15
_MAX_KEPT = 16 * 1024 * 1024  # bytes; ed25519 signs a message as a whole, so the body is kept in memory for v1a
_MAX_PAIRS = 32  # ed25519 signatures with keys to verify for one message, about 0.1 ms each


class Signer:
    """The parsed keys of an endpoint, which sign many messages; newest key first."""

    __slots__ = ("_keys",)

    def __init__(self, secrets: Sequence[str]) -> None:
        """Parse `whsec_` and `whsk_` keys. Raises BadSecret if there is none, or one that cannot sign."""
        if not secrets:
            raise BadSecret("at least one is required")
        keys = [read_key(secret) for secret in secrets]
        self._keys: list[SecretKey | PrivateKey] = [key for key in keys if not isinstance(key, PublicKey)]
        if len(self._keys) != len(keys):
            raise BadSecret("a public key cannot sign")

    def sign(self, message_id: str, timestamp: int, body: bytes) -> str:
        """Return the value of `webhook-signature`: an entry for each key. Raises InvalidSigningInput."""
        if not _ID.fullmatch(message_id):
            raise InvalidSigningInput("the id must be printable ASCII without space or full stop")
        if not 0 <= timestamp < _MAX_TIMESTAMP:
            raise InvalidSigningInput("the timestamp must be Unix seconds")
        content = b"%b.%d.%b" % (message_id.encode(), timestamp, body)
        return " ".join([key.sign(content) for key in self._keys])


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return one signature: `v1,...` for a `whsec_` secret, `v1a,...` for a `whsk_` key.

    `timestamp` is Unix seconds. Raises BadSecret, InvalidSigningInput.
    """
    return Signer([secret]).sign(message_id, timestamp, body)


def verify(
    secrets: Sequence[str], headers: Mapping[str, str], body: bytes, *, now: float, tolerance: int = TOLERANCE
) -> None:
    """Return if one of the secrets signed this message, else raise SignatureError.

    `now` is Unix seconds; the timestamp may be up to `tolerance` seconds earlier or later.
    """
    verifier = begin_verification(secrets, lowered(headers), now=now, tolerance=tolerance)
    verifier.update(body)
    verifier.finish()


def begin_verification(
    secrets: Sequence[str], headers: Mapping[str, str], *, now: float, tolerance: int = TOLERANCE, prefix: str = PREFIX
) -> "StandardWebhooksVerifier":
    """Check everything but the body, which may be streamed. Raises SignatureError.

    The names in `headers` are lower case; `prefix` begins the names of the three that are read.
    """
    if not secrets:
        raise BadSecret("at least one is required")
    keys = [read_key(secret) for secret in secrets]
    message_id, timestamp, signatures = (_required(headers, prefix + name) for name in ("id", "timestamp", "signature"))
    if not _ID.fullmatch(message_id):
        raise MalformedHeader(prefix + "id")
    check_timestamp(prefix + "timestamp", timestamp, now=now, tolerance=tolerance)
    return StandardWebhooksVerifier(keys, signatures, f"{message_id}.{timestamp}.".encode())


class StandardWebhooksVerifier:
    """Verify a streamed body: call `update` with its pieces, then `finish`."""

    def __init__(self, keys: Sequence[SecretKey | PrivateKey | PublicKey], signatures: str, head: bytes) -> None:
        entries = [entry.partition(",") for entry in signatures.split(" ")]
        self._v1 = [value for version, _, value in entries if version == "v1"]
        self._macs = [
            (index, key.keyed.copy()) for index, key in enumerate(keys) if self._v1 and isinstance(key, SecretKey)
        ]
        v1a = [read_signature(value) for version, _, value in entries if version == "v1a"]
        public = [
            (index, key.public() if isinstance(key, PrivateKey) else key)
            for index, key in enumerate(keys)
            if not isinstance(key, SecretKey)
        ]
        pairs = [(index, key, signature) for signature in v1a if signature is not None for index, key in public]
        self._pairs = pairs[:_MAX_PAIRS]
        self._kept: list[bytes] = []
        self._size = 0
        self.update(head)

    def update(self, chunk: bytes) -> None:
        """Add the next piece of the body. Raises BodyTooLarge over 16 MiB if only v1a can match."""
        for _, mac in self._macs:
            mac.update(chunk)
        if self._pairs:
            self._size += len(chunk)
            self._kept.append(chunk)
            if self._size > _MAX_KEPT:
                if not self._macs:
                    raise BodyTooLarge
                self._kept, self._pairs = [], []

    def finish(self) -> int:
        """Return the index of the key that matches. Raises NoMatchingSignature."""
        matching = []
        for index, mac in self._macs:
            expected = base64_digest(mac)
            matching += [index for signature in self._v1 if constant_time_equal(expected, signature)]
        if matching:
            return matching[0]
        content = b"".join(self._kept)
        for index, key, signature in self._pairs:
            if key.verifies(signature, content):
                return index
        raise NoMatchingSignature


def _required(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "")
    if not value:
        raise MissingHeader(name)
    return value
