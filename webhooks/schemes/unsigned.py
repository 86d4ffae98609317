"""No authentication, if the source is configured so. A secret is rejected, since it would not be checked."""

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
    """No signature: every message is accepted."""

    name = "none"
    label = "None (unauthenticated)"
    needs_secret = False

    def verifier(self, secrets: Sequence[str], context: VerificationContext) -> BodyVerifier:
        if secrets:
            raise BadSecret("the scheme none takes no secret; remove it or choose another scheme")
        return UnsignedBody()

    def sign(self, secret: str, message: UnsignedMessage) -> SignedMessage:
        return SignedMessage(message.json_headers(), message.body)
