"""No proof at all, for whoever says so out loud. A secret here is a misunderstanding, and refused."""

from collections.abc import Sequence

from webhooks.schemes.scheme import (
    BodyVerifier,
    Scheme,
    SignedMessage,
    UnsignedBody,
    UnsignedMessage,
    VerificationContext,
)
from webhooks.wire.errors import BadSecret


class Unsigned(Scheme):
    """Every message is accepted."""

    needs_secret = False

    def verifier(self, secrets: Sequence[str], context: VerificationContext) -> BodyVerifier:
        if secrets:
            raise BadSecret("the scheme uses none, so somebody expects a check that will not happen")
        return UnsignedBody()

    def sign(self, secret: str, message: UnsignedMessage) -> SignedMessage:
        return SignedMessage(message.json_headers(), message.body)
