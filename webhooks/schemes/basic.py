"""HTTP Basic (RFC 7617): a secret is `user:password`. It proves who calls, and nothing about the body."""

from base64 import b64encode
from collections.abc import Sequence

from webhooks.schemes.scheme import (
    BodyVerifier,
    Scheme,
    SignedMessage,
    UnsignedBody,
    UnsignedMessage,
    VerificationContext,
)
from webhooks.wire import base64_text
from webhooks.wire.errors import BadSecret, MalformedHeader
from webhooks.wire.signing.hmac_signatures import keys_from_text, matching_index


class Basic(Scheme):
    """`Authorization: Basic` and the base64 of `user:password` in UTF-8."""

    def verifier(self, secrets: Sequence[str], context: VerificationContext) -> BodyVerifier:
        known = _known(secrets)
        kind, _, encoded = context.header("authorization").partition(" ")
        try:
            given = base64_text.decode(encoded.strip(" "))
        except ValueError:
            raise MalformedHeader("authorization") from None
        if kind.lower() != "basic":
            raise MalformedHeader("authorization")
        # Compared as base64, so that bytes which are no text are compared like any others.
        return UnsignedBody(matching_index(known, b64encode(given).decode()))

    def sign(self, secret: str, message: UnsignedMessage) -> SignedMessage:
        return SignedMessage(message.json_headers(Authorization=f"Basic {_known([secret])[0]}"), message.body)


def _known(secrets: Sequence[str]) -> list[str]:
    """What is sent for each secret. Raises BadSecret."""
    keys = keys_from_text(secrets)
    if any(b":" not in key for key in keys):
        raise BadSecret("it has to be user:password")
    return [b64encode(key).decode() for key in keys]
