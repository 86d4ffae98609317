"""X, formerly Twitter: only the body is signed, with the consumer secret of the app.

https://docs.x.com/x-api/webhooks/quickstart. X verifies the URL by a challenge-response check (CRC), first and then
every hour: the receiver signs a token with the same secret. Without a restriction, any client that knows the URL could
get any body signed. So only base64 is signed as a token (the rule ``handshake``), and a body that could be such a token
is rejected.
"""

import hmac
import re
from collections.abc import Sequence

from webhooks.schemes.scheme import BodyVerifier, Scheme, SignedMessage, UnsignedMessage, VerificationContext
from webhooks.wire.errors import NoMatchingSignature
from webhooks.wire.signing.hmac_signatures import HmacVerifier, base64_digest, hmac_signature, keys_from_text

_MAX_TOKEN = 256  # characters
_TOKEN = re.compile(r"[A-Za-z0-9+/_-]{1,256}={0,2}")


class Twitter(Scheme):
    """`x-twitter-webhooks-signature: sha256=` and the HMAC-SHA256 of the body in base64."""

    name = "twitter"
    label = "X (Twitter): the consumer secret"
    handshake = (
        {
            "method": "GET",
            "when": {"query:crc_token": "*"},
            "json": {"response_token": "sha256={hmac_sha256_base64:query:crc_token}"},
        },
    )

    def verifier(self, secrets: Sequence[str], context: VerificationContext) -> BodyVerifier:
        return _NonTokenVerifier(
            keys_from_text(secrets), [context.header("x-twitter-webhooks-signature")], sha256_base64
        )

    def sign(self, secret: str, message: UnsignedMessage) -> SignedMessage:
        signature = hmac_signature(secret, message.body, sha256_base64)
        return SignedMessage({**message.json_headers(), "x-twitter-webhooks-signature": signature}, message.body)


class _NonTokenVerifier(HmacVerifier):
    """Reject a body that could be a CRC token."""

    _head = b""

    def update(self, chunk: bytes) -> None:
        self._head += chunk[: _MAX_TOKEN + 3 - len(self._head)]
        super().update(chunk)

    def finish(self) -> int:
        if _TOKEN.fullmatch(self._head.decode("latin-1")):
            raise NoMatchingSignature("the body could be a CRC token")
        return super().finish()


def sha256_base64(mac: hmac.HMAC) -> str:
    """Encode a digest as `sha256=` and base64."""
    return "sha256=" + base64_digest(mac)
