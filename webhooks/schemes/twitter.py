"""X, formerly Twitter: the body alone is signed, with the consumer secret of the app.

https://docs.x.com/x-api/webhooks/quickstart. The address is confirmed by the `crc` handshake, at first and then
every hour: a token comes, and is to be signed with the same secret. Whoever knows the address could so have a message
signed; therefore a token is a word of base64, and a body that could be a token is no message.
"""

import hmac
import re
from collections.abc import Sequence

from webhooks.schemes.scheme import BodyVerifier, Scheme, SignedMessage, UnsignedMessage, VerificationContext
from webhooks.wire.errors import NoMatchingSignature
from webhooks.wire.signing.hmac_signatures import HmacVerifier, base64_digest, hmac_signature, keys_from_text

_LONGEST = 256  # characters of a token
_TOKEN = re.compile(r"[A-Za-z0-9+/_-]{1,256}={0,2}")


class Twitter(Scheme):
    """`x-twitter-webhooks-signature: sha256=` and the HMAC-SHA256 of the body in base64."""

    def verifier(self, secrets: Sequence[str], context: VerificationContext) -> BodyVerifier:
        return _NotAToken(keys_from_text(secrets), [context.header("x-twitter-webhooks-signature")], sha256_base64)

    def sign(self, secret: str, message: UnsignedMessage) -> SignedMessage:
        signature = hmac_signature(secret, message.body, sha256_base64)
        return SignedMessage({**message.json_headers(), "x-twitter-webhooks-signature": signature}, message.body)


def crc_response(secret: str, token: str) -> str | None:
    """What `response_token` has to be, or None if nothing like this is ever signed. Raises BadSecret."""
    return hmac_signature(secret, token.encode(), sha256_base64) if _TOKEN.fullmatch(token) else None


class _NotAToken(HmacVerifier):
    _head = b""

    def update(self, chunk: bytes) -> None:
        self._head += chunk[: _LONGEST + 3 - len(self._head)]
        super().update(chunk)

    def finish(self) -> int:
        if _TOKEN.fullmatch(self._head.decode("latin-1")):
            raise NoMatchingSignature("a body that could be a challenge")
        return super().finish()


def sha256_base64(mac: hmac.HMAC) -> str:
    """The spelling that names its digest: `sha256=` and base64."""
    return "sha256=" + base64_digest(mac)
