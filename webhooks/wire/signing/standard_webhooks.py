"""Standard Webhooks 1.0.0: what is signed is the id, the time and the body, and one match is enough.

The content is `id.timestamp.body`. The timestamp is digits and the id may not hold a full stop, so the content
can be taken apart in one way only. During a rotation the sender signs with the new and the old key, the
receiver knows both, and any pair that fits will do: `v1` entries against secrets, `v1a` entries against public
keys, never across. Entries that are empty, unknown or malformed are passed over.
"""

import re
from base64 import b64encode
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
from webhooks.wire.signing.hmac_signatures import TOLERANCE, check_timestamp, constant_time_equal
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
_MOST_TIMESTAMP = 10**15
# ed25519 signs the whole message at once, so a body has to be held, and each try costs about 0.1 ms.
_MOST_HELD = 16 * 1024 * 1024  # bytes
_MOST_TRIES = 32


class Signer:
    """Keys made ready once, for many messages: what an endpoint is signed with, newest key first."""

    __slots__ = ("_keys",)

    def __init__(self, secrets: Sequence[str]) -> None:
        """`secrets` are `whsec_` or `whsk_` texts. Raises BadSecret if there is none, or one that cannot sign."""
        if not secrets:
            raise BadSecret("there is none")
        keys = [read_key(secret) for secret in secrets]
        self._keys: list[SecretKey | PrivateKey] = [key for key in keys if not isinstance(key, PublicKey)]
        if len(self._keys) != len(keys):
            raise BadSecret("a public key cannot sign")

    def sign(self, message_id: str, timestamp: int, body: bytes) -> str:
        """The value of `webhook-signature`: one entry for each key, separated by spaces. Raises InvalidSigningInput."""
        if not _ID.fullmatch(message_id):
            raise InvalidSigningInput("the id has to be printable ASCII without space or full stop")
        if not 0 <= timestamp < _MOST_TIMESTAMP:
            raise InvalidSigningInput("the timestamp has to be Unix seconds")
        content = b"%b.%d.%b" % (message_id.encode(), timestamp, body)
        return " ".join([key.sign(content) for key in self._keys])


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """One signature: `v1,...` with a `whsec_` secret, `v1a,...` with a `whsk_` key. `timestamp` is Unix seconds.

    Raises BadSecret, InvalidSigningInput."""
    return Signer([secret]).sign(message_id, timestamp, body)


def verify(
    secrets: Sequence[str], headers: Mapping[str, str], body: bytes, *, now: float, tolerance: int = TOLERANCE
) -> None:
    """Return if one of the secrets signed this message within `tolerance` seconds of `now` (Unix seconds), both
    ways and inclusive. Else raise SignatureError."""
    check = begin_verification(secrets, lowered(headers), now=now, tolerance=tolerance)
    check.update(body)
    check.finish()


def begin_verification(
    secrets: Sequence[str],
    headers: Mapping[str, str],
    *,
    now: float,
    tolerance: int = TOLERANCE,
    prefix: str = PREFIX,
) -> "StandardWebhooksVerifier":
    """Check everything but the body, which may still be on its way. `headers` have lower-case names, `prefix`
    begins the three of the signature. Raises SignatureError."""
    if not secrets:
        raise BadSecret("there is none")
    keys = [read_key(secret) for secret in secrets]
    message_id, timestamp, signatures = (_required(headers, prefix + name) for name in ("id", "timestamp", "signature"))
    if not _ID.fullmatch(message_id):
        raise MalformedHeader(prefix + "id")
    check_timestamp(prefix + "timestamp", timestamp, now=now, tolerance=tolerance)
    return StandardWebhooksVerifier(keys, signatures, f"{message_id}.{timestamp}.".encode())


class StandardWebhooksVerifier:
    """A message whose body is still to come: `update` with its pieces, then `finish`."""

    def __init__(self, keys: Sequence[SecretKey | PrivateKey | PublicKey], signatures: str, head: bytes) -> None:
        entries = [entry.partition(",") for entry in signatures.split(" ")]
        self._given = [value for version, _, value in entries if version == "v1"]
        self._macs = [(place, key.keyed.copy()) for place, key in enumerate(keys) if isinstance(key, SecretKey)]
        if not self._given:
            self._macs = []
        found = [read_signature(value) for version, _, value in entries if version == "v1a"]
        public = [
            (place, key.public() if isinstance(key, PrivateKey) else key)
            for place, key in enumerate(keys)
            if not isinstance(key, SecretKey)
        ]
        pairs = [(place, key, signature) for signature in found if signature is not None for place, key in public]
        self._pairs = pairs[:_MOST_TRIES]
        self._held: list[bytes] = []
        self._size = 0
        self._take(head)

    def update(self, chunk: bytes) -> None:
        """Take the next piece of the body. Raises BodyTooLarge if only v1a could match and 16 MiB are exceeded."""
        self._take(chunk)

    def finish(self) -> int:
        """The body is complete. Returns the place of the key that fitted. Raises NoMatchingSignature."""
        fitting = []
        for place, mac in self._macs:
            expected = b64encode(mac.digest()).decode()
            fitting += [place for given in self._given if constant_time_equal(expected, given)]
        if fitting:
            return fitting[0]
        content = b"".join(self._held)
        for place, key, signature in self._pairs:
            if key.verifies(signature, content):
                return place
        raise NoMatchingSignature

    def _take(self, piece: bytes) -> None:
        for _, mac in self._macs:
            mac.update(piece)
        if self._pairs:
            self._size += len(piece)
            if self._size > _MOST_HELD:
                self._let_go()
            else:
                self._held.append(piece)

    def _let_go(self) -> None:
        if not self._macs:
            raise BodyTooLarge
        self._held, self._pairs = [], []


def _required(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "")
    if not value:
        raise MissingHeader(name)
    return value
