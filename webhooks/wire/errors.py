"""The errors of messages that cannot be trusted or understood.

    ValueError
      WireError
        SignatureError          the sender cannot be verified
          MissingHeader           .detail names the header
          MalformedHeader         .detail names the header
          StaleTimestamp
          NoMatchingSignature
          BodyTooLarge
          MissingUrl
          WrongClaim              .detail names the claim
          UntrustedProxy
          KeysUnavailable         temporary: the sender may retry
          BadSecret               wrong configuration of the receiver: fail closed
          BadOptions              wrong configuration of the receiver: fail closed
          UnknownScheme           wrong configuration of the receiver: fail closed
          InvalidSigningInput     raised while signing, never while verifying
        SenderKeyRequired       a test message cannot be signed: only the sender has the key
        InvalidEvent            not a valid CloudEvent: .attribute .reason .index .code .faults
          InvalidAttributes       several attributes are wrong
          UnsupportedFormat       an unsupported event format or charset (HTTP 415)
        UnreadableBody          the body is not what it is read as; the message completes a sentence
          UnopenedEnvelope        the body does not have the envelope that its source names

The first line of a SignatureError's docstring is its message. `code` is its value in logs, metrics and rejections. No
message contains a secret, a signature or a part of the body.
"""

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import ClassVar, NamedTuple

_MAX_COMPARED = 64  # characters: comparing takes time by the product of the lengths


class WireError(ValueError):
    """The message cannot be used."""


class SignatureError(WireError):
    """The message cannot be trusted."""

    code: ClassVar[str] = "signature"

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail

    def __str__(self) -> str:
        message = (type(self).__doc__ or type(self).__name__).partition("\n")[0]
        return f"{message} ({self.detail})" if self.detail else message


class MissingHeader(SignatureError):
    """A required header is missing or empty."""

    code = "missing_header"


class MalformedHeader(SignatureError):
    """A required header is malformed."""

    code = "malformed_header"


class StaleTimestamp(SignatureError):
    """The timestamp is outside the tolerance."""

    code = "stale_timestamp"


class NoMatchingSignature(SignatureError):
    """No signature matches a known secret."""

    code = "no_match"


class BodyTooLarge(SignatureError):
    """The body is too large for a scheme that keeps the whole body in memory."""

    code = "body_too_large"


class MissingUrl(SignatureError):
    """The scheme signs the URL; set the public URL of the source."""

    code = "missing_url"


class WrongClaim(SignatureError):
    """The token is valid but a claim has another value than required."""

    code = "wrong_claim"


class UntrustedProxy(SignatureError):
    """A client certificate is accepted only from a trusted proxy, and not if its header could have been forged."""

    code = "untrusted_proxy"


class KeysUnavailable(SignatureError):
    """The published keys of the sender could not be fetched."""

    code = "keys_unavailable"


class BadSecret(SignatureError):
    """A secret is missing or invalid for its scheme."""

    code = "bad_secret"


class BadOptions(SignatureError):
    """The options of the scheme are invalid."""

    code = "bad_options"


class UnknownScheme(SignatureError):
    """No signature scheme with this name."""

    code = "unknown_scheme"


class InvalidSigningInput(SignatureError):
    """The message id or the timestamp cannot be signed unambiguously."""

    code = "invalid_signing_input"


class SenderKeyRequired(WireError):
    """Only the sender has the signing key of this scheme."""

    def __str__(self) -> str:
        return " ".join(map(str, self.args)) or str(type(self).__doc__)


class Fault(NamedTuple):
    """A fault of one attribute; ``code`` is the kind of fault, for programs."""

    reason: str
    code: str = "invalid"


class InvalidEvent(WireError):
    """The event is not a valid CloudEvent.

    `attribute` is the wrong attribute, `data`, `data_base64`, or "" for the envelope as a whole. `reason` completes the
    sentence. `index` is the position in a batch, from 0. `code` is the kind of fault, for programs.
    """

    def __init__(self, attribute: str, reason: str, index: int | None = None, *, code: str = "invalid") -> None:
        super().__init__(attribute, reason, index)
        self.attribute = attribute
        self.reason = reason
        self.index = index
        self.code = code

    @property
    def faults(self) -> Mapping[str, Fault]:
        """Return what is wrong with each attribute."""
        return {self.attribute: Fault(self.reason, self.code)}

    def __str__(self) -> str:
        where = "" if self.index is None else f"event {self.index}: "
        return f"{where}{self.attribute or 'the event'} {self.reason}"


class InvalidAttributes(InvalidEvent):
    """Several attributes of the event are wrong; ``attribute`` and ``reason`` are those of the first."""

    def __init__(self, faults: Mapping[str, Fault], index: int | None = None) -> None:
        name, first = next(iter(faults.items()))
        super().__init__(name, first.reason, index, code=first.code)
        self._faults = dict(faults)

    @property
    def faults(self) -> Mapping[str, Fault]:
        """Return what is wrong with each attribute."""
        return self._faults


class UnsupportedFormat(InvalidEvent):
    """The event format or charset is not supported."""


class UnreadableBody(WireError):
    """The body of a message is not what it is read as: JSON, a form, compressed data. A retry would change nothing."""

    def __str__(self) -> str:
        return f"the body {' '.join(map(str, self.args))}"


class UnopenedEnvelope(UnreadableBody):
    """The body does not have the envelope that its source names, or no valid one."""


def did_you_mean(name: str, known: Collection[str]) -> str:
    """Return ``did you mean "data"?`` for a name that resembles a known one; empty otherwise."""
    if not 1 < len(name) <= _MAX_COMPARED:
        return ""
    by_lower = {it.lower(): it for it in known}
    found = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.7)
    return f'did you mean "{by_lower[found[0]]}"?' if found else ""


def unknown_member(given: Collection[object], known: Collection[str]) -> tuple[str, str]:
    """Return the first member that is not known, and a sentence about it; both are empty if all are known."""
    unknown = sorted(str(name) for name in given if name not in known)
    if not unknown:
        return "", ""
    name = unknown[0][:_MAX_COMPARED].encode("utf-8", "replace").decode()
    meant, must = did_you_mean(name, known), f"must be one of: {', '.join(sorted(known))}."
    return name, f"{name!r} is unknown; {f'{meant} It {must}' if meant else must}"
