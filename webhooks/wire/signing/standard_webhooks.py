"""Sign and verify by Standard Webhooks 1.0.0: the signed content is `id.timestamp.body`.

The id has no full stop and the timestamp consists of digits, so two different messages never have the same content.
The signature header has an entry for each key, and one that matches is enough, so that keys can be rotated: the sender
signs with the new and the old key, and the receiver may know either or both. `v1` entries are compared with shared
secrets (HMAC-SHA256), `v1a` entries with public keys (ed25519). Empty, unknown and malformed entries are ignored.
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
from webhooks.wire.signing.hmac_signatures import base64_digest, constant_time_equal
from webhooks.wire.signing.keys import (
    PrivateKey,
    PublicKey,
    SecretKey,
    read_key,
    read_signature,
)
from webhooks.wire.signing.timestamps import TOLERANCE, check_timestamp

PREFIX = "webhook-"

_ID = re.compile(r"[!-\-/-~]+")  # printable ASCII without space and full stop
_MAX_TIMESTAMP = 10**15  # Unix seconds, exclusive: far beyond every date
_MAX_V1A_BODY = 32 * 1024 * 1024  # bytes kept in memory to verify v1a entries: ed25519 needs the message as a whole
_MAX_PAIRS = 32  # pairs of a v1a entry and a public key that are tried for one message; each takes about 0.1 ms


class Signer:
    """Sign messages with all keys of an endpoint, newest first. The keys are parsed once, for many messages."""

    __slots__ = ("_keys",)

    def __init__(self, secrets: Sequence[str]) -> None:
        """Parse `whsec_` and `whsk_` keys. Raises BadSecret if there is no key, or one that cannot sign."""
        if not secrets:
            raise BadSecret("at least one secret is required")
        keys = [read_key(secret) for secret in secrets]
        self._keys: list[SecretKey | PrivateKey] = [key for key in keys if not isinstance(key, PublicKey)]
        if len(self._keys) != len(keys):
            raise BadSecret("a public key cannot sign")

    def sign(self, message_id: str, timestamp: int, body: bytes) -> str:
        """Return the value of the header `webhook-signature`: one entry for each key. Raises InvalidSigningInput."""
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
    """Verify that one of the secrets signed this message. Raises SignatureError otherwise.

    `now` is Unix seconds; the timestamp may be up to `tolerance` seconds earlier or later.
    """
    verifier = begin_verification(secrets, lowered(headers), now=now, tolerance=tolerance)
    verifier.update(body)
    verifier.finish()


def begin_verification(
    secrets: Sequence[str], headers: Mapping[str, str], *, now: float, tolerance: int = TOLERANCE, prefix: str = PREFIX
) -> "StandardWebhooksVerifier":
    """Check the headers, and return a verifier for the body, which can be streamed. Raises SignatureError.

    The names in `headers` are lower case. The three headers read are `prefix` and "id", "timestamp", "signature".
    """
    if not secrets:
        raise BadSecret("at least one secret is required")
    keys = [read_key(secret) for secret in secrets]
    message_id, timestamp, signatures = (_required(headers, prefix + name) for name in ("id", "timestamp", "signature"))
    if not _ID.fullmatch(message_id):
        raise MalformedHeader(prefix + "id")
    check_timestamp(prefix + "timestamp", timestamp, now=now, tolerance=tolerance)
    return StandardWebhooksVerifier(keys, signatures, f"{message_id}.{timestamp}.".encode())


class StandardWebhooksVerifier:
    """Verify a streamed body: call `update` with each piece of it, then `finish`."""

    def __init__(self, keys: Sequence[SecretKey | PrivateKey | PublicKey], signatures: str, signed_head: bytes) -> None:
        entries = [entry.partition(",") for entry in signatures.split(" ")]
        self._v1 = [value for version, _, value in entries if version == "v1"]
        self._macs = [
            (index, key.keyed.copy()) for index, key in enumerate(keys) if self._v1 and isinstance(key, SecretKey)
        ]
        v1a = [read_signature(value) for version, _, value in entries if version == "v1a"]
        public_keys = [
            (index, key.public() if isinstance(key, PrivateKey) else key)
            for index, key in enumerate(keys)
            if not isinstance(key, SecretKey)
        ]
        pairs = [(index, key, signature) for signature in v1a if signature is not None for index, key in public_keys]
        self._pairs = pairs[:_MAX_PAIRS]
        self._chunks: list[bytes] = []
        self._size = 0
        self.update(signed_head)

    @property
    def keeps_body(self) -> bool:
        """Return whether the body is kept in memory."""
        return bool(self._pairs)

    def update(self, chunk: bytes) -> None:
        """Add the next piece of the body.

        Beyond 32 MiB the v1a entries are no longer tried; raises BodyTooLarge if no v1 entry can match.
        """
        for _, mac in self._macs:
            mac.update(chunk)
        if self._pairs:
            self._size += len(chunk)
            self._chunks.append(chunk)
            if self._size > _MAX_V1A_BODY:
                if not self._macs:
                    raise BodyTooLarge
                self._chunks, self._pairs = [], []

    def finish(self) -> int:
        """Return the index of a secret that signed the message, v1 before v1a. Raises NoMatchingSignature."""
        matching = []
        for index, mac in self._macs:
            expected = base64_digest(mac)
            matching += [index for signature in self._v1 if constant_time_equal(expected, signature)]
        if matching:
            return matching[0]
        content = b"".join(self._chunks)
        for index, key, signature in self._pairs:
            if key.verifies(signature, content):
                return index
        raise NoMatchingSignature


def _required(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "")
    if not value:
        raise MissingHeader(name)
    return value
