"""What a scheme is: how one provider proves that a message is its own.

A scheme checks in two steps, because bodies stream. `begin` looks at everything but the body and refuses at
once what can be refused without it; the `Check` it returns is fed the raw body in pieces of any size, and
`finish` either returns or raises SignatureError. Nothing else is ever raised, whatever the headers hold, and
where there is no secret there is no entrance.

The other way round, `sign` makes a sample as the provider would send it, so that a source can be tried without
the provider. Where only the provider has the key it raises OnlyTheSenderSigns.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from webhooks.wire.errors import KeysUnavailable, MissingHeader, MissingUrl, SenderKeyRequired
from webhooks.wire.header_values import lowered
from webhooks.wire.signing import hmac_signatures

JSON = {"Content-Type": "application/json"}


class BodyVerifier(Protocol):
    """A message whose body is still to come."""

    def update(self, chunk: bytes, /) -> None:
        """Take the next piece of the body. Raises SignatureError if no body that begins so could be accepted."""

    def finish(self) -> int | None:
        """The body is complete. Returns the place of the secret that fitted; None if no secret was used. Raises
        SignatureError unless the message is what it claims to be."""


class FetchKeys(Protocol):
    """How a scheme gets at keys that its provider publishes. Pinning the host is the scheme's business, guarding the
    address and remembering the answer that of whoever passes this in."""

    def __call__(self, url: str, *, newer: bool = False) -> bytes:
        """What stands at the URL; `newer`: what was remembered did not do. Raises KeysOutOfReach."""


def fetch_unavailable(url: str, *, newer: bool = False) -> bytes:
    """For whoever has no network: every key is out of reach."""
    raise KeysUnavailable


@dataclass(frozen=True, slots=True)
class VerificationContext:
    """Everything about a message but its body. Header names are in lower case, `now` is Unix seconds."""

    headers: Mapping[str, str]
    url: str
    now: float
    tolerance: int
    method: str = "POST"
    proxied: bool = False
    """The connection comes from a proxy that the operator trusts."""
    fetch: FetchKeys = fetch_unavailable

    def header(self, name: str) -> str:
        """A header that has to be there. Raises MissingHeader."""
        value = self.headers.get(name, "")
        if not value:
            raise MissingHeader(name)
        return value

    def called_url(self) -> bytes:
        """The URL, where it is signed. Raises MissingUrl."""
        if not self.url:
            raise MissingUrl
        return self.url.encode("utf-8", "surrogatepass")

    def check_timestamp(self, header: str, value: str, *, future: float | None = None) -> int:
        """The Unix seconds the message was signed at. Raises MalformedHeader, StaleTimestamp."""
        return hmac_signatures.check_timestamp(header, value, now=self.now, tolerance=self.tolerance, future=future)


@dataclass(frozen=True, slots=True)
class UnsignedMessage:
    """A message to be signed as a sample. `now` is Unix seconds, `url` the address it will be sent to."""

    body: bytes
    url: str
    now: int
    message_id: str
    event_type: str = ""

    def json_headers(self, **headers: str) -> dict[str, str]:
        """Headers of a JSON body, with those of these that have a value; `_` in a name stands for `-`."""
        return {**JSON, **{name.replace("_", "-"): value for name, value in headers.items() if value}}


@dataclass(frozen=True, slots=True)
class SignedMessage:
    """A draft with its proof, ready to be sent."""

    headers: dict[str, str]
    body: bytes
    query: str = ""
    """To be added to the URL."""


class Scheme(ABC):
    """One way to prove where a message comes from."""

    id_header: ClassVar[str] = ""
    type_header: ClassVar[str] = ""
    id_path: ClassVar[str] = ""
    """Where in the body the id stands, if no header has it: a JSON pointer (RFC 6901)."""
    type_path: ClassVar[str] = ""
    """Where in the body it stands what the message is about, if no header says it."""
    needs_secret: bool = True
    key_url: str = ""
    """Where its keys are published, if they are fetched from one place."""

    def begin_verification(
        self,
        secrets: Sequence[str],
        headers: Mapping[str, str],
        *,
        url: str = "",
        now: float,
        tolerance: int = hmac_signatures.TOLERANCE,
        method: str = "POST",
        proxied: bool = False,
        fetch: FetchKeys = fetch_unavailable,
    ) -> BodyVerifier:
        """Check all but the body. `url` is the address as the sender knows it, `now` Unix seconds, `tolerance`
        seconds; `proxied`: it comes from a proxy the operator trusts. Raises SignatureError."""
        return self.verifier(
            secrets, VerificationContext(lowered(headers), url, now, tolerance, method, proxied, fetch)
        )

    @abstractmethod
    def verifier(self, secrets: Sequence[str], context: VerificationContext) -> BodyVerifier:
        """What `begin` does, in the words of the provider."""

    def sign(self, secret: str, message: UnsignedMessage) -> SignedMessage:
        """The draft as the provider would send it. Raises OnlyTheSenderSigns, BadSecret."""
        raise SenderKeyRequired

    def message_id(self, headers: Mapping[str, str]) -> str | None:
        """The id under which the provider repeats this message, if a header has it."""
        return lowered(headers).get(self.id_header) or None

    def event_type(self, headers: Mapping[str, str]) -> str | None:
        """What the provider says the message is about, if a header has it."""
        return lowered(headers).get(self.type_header) or None


@dataclass(slots=True)
class UnsignedBody:
    """The headers proved everything there is to prove; the body is not signed."""

    place: int | None = field(default=None)

    def update(self, chunk: bytes, /) -> None:
        """Any body will do."""

    def finish(self) -> int | None:
        """It is accepted."""
        return self.place
