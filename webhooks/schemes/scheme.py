"""The interface of a signature scheme: how one provider proves that a message is its own.

Verification has two steps, because bodies are streamed. ``begin_verification`` checks everything but the body and
rejects what can be rejected without it. The ``BodyVerifier`` that it returns gets the raw body in pieces of any size;
its ``finish`` returns or raises SignatureError. Whatever the headers contain, nothing but SignatureError is raised, and
a missing secret never verifies.

``sign`` does the reverse: it signs a test message as the provider would. Where only the provider has the key it raises
SenderKeyRequired.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol
from urllib.parse import SplitResult, urlsplit

from webhooks.wire.errors import (
    BodyTooLarge,
    KeysUnavailable,
    MalformedHeader,
    MissingHeader,
    MissingUrl,
    SenderKeyRequired,
)
from webhooks.wire.header_values import lowered
from webhooks.wire.signing import timestamps

JSON = {"Content-Type": "application/json"}
MAX_KEPT_BODY = 32 * 1024 * 1024  # bytes of a body that is kept in memory until it is verified; ``keeps_body`` says so


class BodyVerifier(Protocol):
    """The second step of a verification: the body."""

    def update(self, chunk: bytes, /) -> None:
        """Add the next piece of the body. Raises SignatureError if no body that begins so could be accepted."""

    def finish(self) -> int | None:
        """End the body and return the index of the secret that matched; None if no secret was used.

        Raises SignatureError unless the signature is valid.
        """


class KeptBody:
    """The first half of a BodyVerifier that needs the body as a whole, because its proof or what is signed is in it."""

    keeps_body = True
    """The receiver limits the memory of all such bodies together."""

    def __init__(self, most: int = MAX_KEPT_BODY) -> None:
        self._most, self._size = most, 0
        self._chunks: list[bytes] = []

    def update(self, chunk: bytes, /) -> None:
        """Keep the next piece of the body. Raises BodyTooLarge."""
        self._size += len(chunk)
        if self._size > self._most:
            raise BodyTooLarge
        self._chunks.append(chunk)

    @property
    def content(self) -> bytes:
        """The body."""
        if len(self._chunks) > 1:
            self._chunks = [b"".join(self._chunks)]
        return self._chunks[0] if self._chunks else b""


class FetchKeys(Protocol):
    """Fetch keys that a provider publishes.

    The scheme decides which host is allowed. The implementation checks the address and caches the response.
    """

    def __call__(self, url: str, /, *, newer: bool = False) -> bytes:
        """Return the document at the URL. ``newer`` asks for one newer than the cached. Raises KeysUnavailable."""


def fetch_unavailable(_url: str, /, **_options: bool) -> bytes:
    """Raise KeysUnavailable: the FetchKeys of a caller without network."""
    raise KeysUnavailable


@dataclass(frozen=True, slots=True)
class VerificationContext:
    """Everything about a message but its body. Header names are in lower case, ``now`` is Unix seconds."""

    headers: Mapping[str, str]
    url: str
    now: float
    tolerance: int
    method: str = "POST"
    proxied: bool = False
    """The connection comes from a proxy that the operator trusts."""
    fetch: FetchKeys = fetch_unavailable

    def header(self, name: str) -> str:
        """Return the value of a required header. Raises MissingHeader."""
        value = self.headers.get(name, "")
        if not value:
            raise MissingHeader(name)
        return value

    def called_url(self) -> bytes:
        """Return the URL as it is signed. Raises MissingUrl."""
        if not self.url:
            raise MissingUrl
        return self.url.encode("utf-8", "surrogatepass")

    def url_parts(self) -> SplitResult:
        """Return the parts of the URL. Raises MissingUrl, and MalformedHeader for a host that no URL can have."""
        if not self.url:
            raise MissingUrl
        try:
            return urlsplit(self.url)
        except ValueError:
            raise MalformedHeader("host") from None

    def check_timestamp(self, header: str, value: str) -> None:
        """Check that the signed Unix time is within the tolerance. Raises MalformedHeader, StaleTimestamp."""
        timestamps.check_timestamp(header, value, now=self.now, tolerance=self.tolerance)

    def check_moment(self, seconds: float, *, repeated_for: float = 0.0) -> None:
        """Check that a signed moment is within the tolerance, or as old as a sender repeats it. Raises StaleTimestamp.

        ``seconds`` are Unix seconds. ``repeated_for``: seconds for which the sender repeats a message unchanged.
        """
        timestamps.check_moment(seconds, now=self.now, tolerance=self.tolerance, repeated_for=repeated_for)


@dataclass(frozen=True, slots=True)
class UnsignedMessage:
    """A test message to be signed. ``now`` is Unix seconds, ``url`` the address that it will be sent to."""

    body: bytes
    url: str
    now: int
    message_id: str
    event_type: str = ""

    def json_headers(self, **headers: str) -> dict[str, str]:
        """Return the headers of a JSON body and those given that are not empty; ``_`` in a name is sent as ``-``."""
        return {**JSON, **{name.replace("_", "-"): value for name, value in headers.items() if value}}


@dataclass(frozen=True, slots=True)
class SignedMessage:
    """A signed test message, ready to be sent."""

    headers: dict[str, str]
    body: bytes
    query: str = ""
    """The query string to add to the URL."""


class Scheme(ABC):
    """One way to prove who sent a message. A subclass sets ``name`` and ``label``."""

    name: ClassVar[str]
    """The value of ``scheme`` in the API."""
    label: ClassVar[str]
    """The choice in the admin: the provider, and which secret to enter."""
    handshake: ClassVar[tuple[Mapping[str, Any], ...]] = ()
    """The rules by which the provider checks an address (``webhooks.senders.handshake``)."""
    id_header: ClassVar[str] = ""
    type_header: ClassVar[str] = ""
    id_path: ClassVar[str] = ""
    """Where the body contains the message id, if no header does: a JSON pointer (RFC 6901)."""
    type_path: ClassVar[str] = ""
    """Where the body contains the event type, if no header does: a JSON pointer (RFC 6901)."""
    needs_secret: bool = True
    key_url: str = ""
    """Where the keys are published, if they are fetched from one place."""

    def begin_verification(
        self,
        secrets: Sequence[str],
        headers: Mapping[str, str],
        *,
        url: str = "",
        now: float,
        tolerance: int = timestamps.TOLERANCE,
        method: str = "POST",
        proxied: bool = False,
        fetch: FetchKeys = fetch_unavailable,
    ) -> BodyVerifier:
        """Check everything but the body. Raises SignatureError.

        ``url`` is the address as the sender knows it, ``now`` Unix seconds, ``tolerance`` seconds; ``proxied`` says
        that the connection comes from a proxy that the operator trusts.
        """
        context = VerificationContext(lowered(headers), url, now, tolerance, method, proxied, fetch)
        return self.verifier(secrets, context)

    @abstractmethod
    def verifier(self, secrets: Sequence[str], context: VerificationContext) -> BodyVerifier:
        """Check everything but the body, as the provider signs it. Raises SignatureError."""

    def sign(self, secret: str, message: UnsignedMessage) -> SignedMessage:
        """Sign a test message as the provider would. Raises SenderKeyRequired, BadSecret."""
        raise SenderKeyRequired

    def message_id(self, headers: Mapping[str, str]) -> str | None:
        """Return the id that the provider keeps when it repeats this message, if a header has one."""
        return lowered(headers).get(self.id_header) or None

    def event_type(self, headers: Mapping[str, str]) -> str | None:
        """Return the event type, if a header has one."""
        return lowered(headers).get(self.type_header) or None


@dataclass(slots=True)
class UnsignedBody:
    """The BodyVerifier of schemes that do not sign the body: any body is accepted."""

    secret_index: int | None = field(default=None)

    def update(self, chunk: bytes, /) -> None:
        """Accept any body."""

    def finish(self) -> int | None:
        """Return the index of the secret that matched."""
        return self.secret_index
