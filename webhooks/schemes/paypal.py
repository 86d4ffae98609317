"""PayPal: transmission id, time, webhook id and the CRC-32 of the body are signed with PayPal's certificate.

https://developer.paypal.com/api/rest/webhooks/rest/#link-eventheadersandsignature. A secret is the id of a webhook as
PayPal shows it. PayPal signs for all its customers with the same key, so the id proves that the message is meant for
this receiver. The certificate is fetched only from PayPal's API hosts.

A CRC detects accidents, not attacks: a client that knows a message can make another body with its CRC and send it with
the same signature while the time is within the tolerance. Only PayPal and the receiver know the messages, and a second
body with the same id is recorded as a conflict.
"""

import re
import zlib
from collections.abc import Sequence
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from webhooks.schemes.scheme import BodyVerifier, Scheme, SignedMessage, UnsignedMessage, VerificationContext
from webhooks.schemes.signing_certificate import fetch_rsa_key, is_valid_signature, read_signature
from webhooks.wire.errors import MalformedHeader, NoMatchingSignature, SenderKeyRequired
from webhooks.wire.signing.hmac_signatures import keys_from_text

_CERTIFICATE = re.compile(
    r"https://api(?:-m)?(?:\.sandbox)?\.paypal\.com/v1/notifications/certs/[A-Za-z0-9_-]{1,128}", re.ASCII
)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z", re.ASCII)
_ID = re.compile(r"[!-{}~]{1,128}")  # printable, without the separator


class PayPal(Scheme):
    """`PAYPAL-TRANSMISSION-SIG`: RSA with SHA-256 over `id|time|webhook id|CRC-32`, in base64."""

    name = "paypal"
    label = "PayPal: the id of the webhook"
    id_path = "/id"
    type_path = "/event_type"

    def verifier(self, secrets: Sequence[str], context: VerificationContext) -> BodyVerifier:
        keys_from_text(secrets)
        transmission, time = context.header("paypal-transmission-id"), context.header("paypal-transmission-time")
        signature = read_signature(context.header("paypal-transmission-sig"))
        url = context.header("paypal-cert-url")
        if context.header("paypal-auth-algo") != "SHA256withRSA":
            raise MalformedHeader("paypal-auth-algo")
        if not _ID.fullmatch(transmission):
            raise MalformedHeader("paypal-transmission-id")
        if signature is None:
            raise MalformedHeader("paypal-transmission-sig")
        if not _CERTIFICATE.fullmatch(url):
            raise MalformedHeader("paypal-cert-url")
        context.check_moment(_seconds(time))
        return _CrcVerifier(fetch_rsa_key(context, url), signature, f"{transmission}|{time}|", secrets)

    def sign(self, secret: str, message: UnsignedMessage) -> SignedMessage:
        raise SenderKeyRequired("Only PayPal has the signing key. Make an event in its sandbox.")


class _CrcVerifier:
    """The signature covers the CRC-32 of the body."""

    def __init__(self, key: RSAPublicKey, signature: bytes, head: str, webhook_ids: Sequence[str]) -> None:
        self._key, self._signature, self._head, self._webhook_ids = key, signature, head, webhook_ids
        self._crc = 0

    def update(self, chunk: bytes, /) -> None:
        self._crc = zlib.crc32(chunk, self._crc)

    def finish(self) -> int:
        """Return the index of the webhook id that was signed. Raises NoMatchingSignature."""
        for index, webhook_id in enumerate(self._webhook_ids):
            content = f"{self._head}{webhook_id}|{self._crc}".encode("utf-8", "surrogatepass")
            if is_valid_signature(self._key, self._signature, content, SHA256()):
                return index
        raise NoMatchingSignature


def _seconds(time: str) -> float:
    """Return the Unix seconds of an RFC 3339 time in UTC. Raises MalformedHeader."""
    try:
        if _TIME.fullmatch(time):
            return datetime.fromisoformat(time).timestamp()
    except (ValueError, OverflowError):
        pass
    raise MalformedHeader("paypal-transmission-time")
