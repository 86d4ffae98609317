"""Why a message cannot be trusted or understood; every refusal of the wire is one of these.

    ValueError
      WireError
        SignatureError          we cannot tell who sent it, so we refuse it
          MissingHeader           .header
          MalformedHeader         .header
          StaleTimestamp
          NoMatchingSignature
          BodyTooLarge
          MissingUrl
          WrongClaim              .claim
          UntrustedProxy
          KeysUnavailable          nobody's fault yet: the sender may try again
          BadSecret               our own configuration: fail closed
          BadOptions              our own configuration: fail closed
          UnknownScheme           our own configuration: fail closed
          InvalidSigningInput              raised while signing, never while verifying
        SenderKeyRequired      a sample cannot be signed, for the key is the sender's alone
        InvalidEvent            it is not the CloudEvent it claims to be: .attribute .reason .index
          UnsupportedFormat       an event format or charset we do not read (HTTP 415)

The class docstring of a SignatureError is its message; `code` is the word for logs, metrics and
rows. No message ever holds a secret, a signature or a part of the body.
"""

from typing import ClassVar


class WireError(ValueError):
    """What came over the wire cannot be used."""


class SignatureError(WireError):
    """The message cannot be trusted."""

    code: ClassVar[str] = "signature"

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail

    def __str__(self) -> str:
        says = (type(self).__doc__ or type(self).__name__).partition("\n")[0]
        return f"{says} ({self.detail})" if self.detail else says


class MissingHeader(SignatureError):
    """A header the signature depends on is missing or empty."""

    code = "missing_header"

    def __init__(self, header: str) -> None:
        super().__init__(header)
        self.header = header


class MalformedHeader(SignatureError):
    """A header the signature depends on cannot be read."""

    code = "malformed_header"

    def __init__(self, header: str) -> None:
        super().__init__(header)
        self.header = header


class StaleTimestamp(SignatureError):
    """The message was signed too long ago, or too far in the future."""

    code = "stale_timestamp"


class NoMatchingSignature(SignatureError):
    """None of the signatures was made with a secret we know."""

    code = "no_match"


class BodyTooLarge(SignatureError):
    """The body is too large for a signature that cannot be checked while it streams."""

    code = "body_too_large"


class MissingUrl(SignatureError):
    """The scheme signs the URL, and we were not told which one was called."""

    code = "missing_url"


class WrongClaim(SignatureError):
    """The token is genuine, and meant for something else."""

    code = "wrong_claim"

    def __init__(self, claim: str) -> None:
        super().__init__(claim)
        self.claim = claim


class UntrustedProxy(SignatureError):
    """A client certificate is believed only from a proxy that the operator trusts."""

    code = "untrusted_proxy"


class KeysUnavailable(SignatureError):
    """The keys to check the signature with could not be fetched."""

    code = "keys_unavailable"


class BadSecret(SignatureError):
    """A secret is missing or is not what its scheme needs."""

    code = "bad_secret"


class BadOptions(SignatureError):
    """The options of the scheme are not what it needs."""

    code = "bad_options"


class UnknownScheme(SignatureError):
    """There is no signature scheme of that name."""

    code = "unknown_scheme"


class InvalidSigningInput(SignatureError):
    """The id or the timestamp would make the signed content ambiguous."""

    code = "unsignable"


class SenderKeyRequired(WireError):
    """Nobody but the sender can sign for this scheme."""

    def __str__(self) -> str:
        return " ".join(map(str, self.args)) or str(type(self).__doc__)


class InvalidEvent(WireError):
    """It is not a valid CloudEvent.

    `attribute` names what is wrong: an attribute, `data`, `data_base64`, or "" for the envelope
    as a whole. `reason` completes the sentence. `index` is the place in a batch, from 0.
    """

    def __init__(self, attribute: str, reason: str, index: int | None = None) -> None:
        super().__init__(attribute, reason, index)
        self.attribute = attribute
        self.reason = reason
        self.index = index

    def __str__(self) -> str:
        where = "" if self.index is None else f"event {self.index}: "
        return f"{where}{self.attribute or 'the event'} {self.reason}"


class UnsupportedFormat(InvalidEvent):
    """It comes in an event format or charset we do not read."""
