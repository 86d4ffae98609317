"""HTTP Basic (RFC 7617): a secret is `user:password`. It authenticates the caller; the body is not signed."""

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

    name = "basic"
    label = "HTTP Basic: user:password"

    def verifier(self, secrets: Sequence[str], context: VerificationContext) -> BodyVerifier:
        accepted = _credentials(secrets)
        kind, _, encoded = context.header("authorization").partition(" ")
        try:
            credentials = base64_text.decode(encoded.strip(" "))
        except ValueError:
            raise MalformedHeader("authorization") from None
        if kind.lower() != "basic":
            raise MalformedHeader("authorization")
        # Compare base64, so that credentials that are not valid UTF-8 are compared too.
        return UnsignedBody(matching_index(accepted, b64encode(credentials).decode()))

    def sign(self, secret: str, message: UnsignedMessage) -> SignedMessage:
        return SignedMessage(message.json_headers(Authorization=f"Basic {_credentials([secret])[0]}"), message.body)


def _credentials(secrets: Sequence[str]) -> list[str]:
    """Return the base64 that is sent for each secret. Raises BadSecret."""
    keys = keys_from_text(secrets)
    if any(b":" not in key for key in keys):
        raise BadSecret("must be user:password")
    return [b64encode(key).decode() for key in keys]
