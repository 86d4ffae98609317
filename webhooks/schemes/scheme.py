"""What a scheme is: how one provider proves that a message is its own.

A scheme checks in two steps, because bodies stream. `begin` looks at everything but the body and refuses at
once what can be refused without it; the `Check` it returns is fed the raw body in pieces of any size, and
`finish` either returns or raises SignatureError. Nothing else is ever raised, whatever the headers hold, and
where there is no secret there is no entrance.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from webhooks.protocol import mac
from webhooks.protocol.errors import MissingHeader, MissingUrl
from webhooks.protocol.fields import lowered


class Check(Protocol):
    """A message whose body is still to come."""

    def update(self, chunk: bytes, /) -> None:
        """Take the next piece of the body. Raises SignatureError if no body that begins so could be accepted."""

    def finish(self) -> None:
        """The body is complete. Raises SignatureError unless the message is what it claims to be."""


@dataclass(frozen=True, slots=True)
class Call:
    """Everything about a message but its body. Header names are in lower case, `now` is Unix seconds."""

    headers: Mapping[str, str]
    url: str
    now: float
    tolerance: int

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

    def fresh(self, header: str, value: str, *, future: float | None = None) -> int:
        """The Unix seconds the message was signed at. Raises MalformedHeader, StaleTimestamp."""
        return mac.fresh(header, value, now=self.now, tolerance=self.tolerance, future=future)


class Scheme(ABC):
    """One way to prove where a message comes from."""

    id_header: ClassVar[str] = ""
    type_header: ClassVar[str] = ""

    def begin(
        self,
        secrets: Sequence[str],
        headers: Mapping[str, str],
        *,
        url: str = "",
        now: float,
        tolerance: int = mac.TOLERANCE,
    ) -> Check:
        """Check all but the body. `url` is the address as the sender knows it, `now` Unix seconds, `tolerance`
        seconds. Raises SignatureError."""
        return self.check(secrets, Call(lowered(headers), url, now, tolerance))

    @abstractmethod
    def check(self, secrets: Sequence[str], call: Call) -> Check:
        """What `begin` does, in the words of the provider."""

    def message_id(self, headers: Mapping[str, str]) -> str | None:
        """The id under which the provider repeats this message, if a header has it."""
        return lowered(headers).get(self.id_header) or None

    def event_type(self, headers: Mapping[str, str]) -> str | None:
        """What the provider says the message is about, if a header has it."""
        return lowered(headers).get(self.type_header) or None


class Passed:
    """The headers proved everything there is to prove; the body is not signed."""

    def update(self, chunk: bytes, /) -> None:
        """Any body will do."""

    def finish(self) -> None:
        """It is accepted."""
