"""Square: the registered URL and the body are signed.

https://developer.squareup.com/docs/webhooks/step3validate. An empty body is rejected: Square sends none.
"""

from collections.abc import Sequence

from webhooks.schemes.scheme import BodyVerifier, Scheme, SignedMessage, UnsignedMessage, VerificationContext
from webhooks.wire.errors import NoMatchingSignature
from webhooks.wire.signing.hmac_signatures import HmacVerifier, base64_digest, hmac_signature, keys_from_text


class Square(Scheme):
    """`x-square-hmacsha256-signature`: the HMAC-SHA256 of the URL and the body in base64."""

    name = "square"
    label = "Square: the signature key; signs the URL"
    id_path = "/event_id"

    def verifier(self, secrets: Sequence[str], context: VerificationContext) -> BodyVerifier:
        signature = context.header("x-square-hmacsha256-signature")
        return _NonEmptyVerifier(keys_from_text(secrets), [signature], base64_digest, head=context.called_url())

    def sign(self, secret: str, message: UnsignedMessage) -> SignedMessage:
        signature = hmac_signature(secret, message.url.encode() + message.body, base64_digest)
        return SignedMessage({**message.json_headers(), "x-square-hmacsha256-signature": signature}, message.body)


class _NonEmptyVerifier(HmacVerifier):
    """Reject an empty body."""

    _seen = False

    def update(self, chunk: bytes) -> None:
        self._seen = self._seen or bool(chunk)
        super().update(chunk)

    def finish(self) -> int:
        if not self._seen:
            raise NoMatchingSignature
        return super().finish()
