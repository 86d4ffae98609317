"""Slack: version, time and body are signed.

https://docs.slack.dev/authentication/verifying-requests-from-slack
"""

import hmac
from collections.abc import Sequence

from webhooks.schemes.scheme import BodyVerifier, Scheme, SignedMessage, UnsignedMessage, VerificationContext
from webhooks.wire.signing.hmac_signatures import HmacVerifier, hex_digest, hmac_signature, keys_from_text

_TIMESTAMP = "x-slack-request-timestamp"


class Slack(Scheme):
    """`X-Slack-Signature: v0=` and the HMAC-SHA256 of `v0:timestamp:body` in lower-case hex."""

    name = "slack"
    label = "Slack: the signing secret"
    id_path = "/event_id"
    # https://docs.slack.dev/reference/events/url_verification
    handshake = (
        {
            "verified": True,
            "when": {"body:/type": "url_verification", "body:/challenge": "*"},
            "json": {"challenge": "{body:/challenge}"},
        },
    )

    def verifier(self, secrets: Sequence[str], context: VerificationContext) -> BodyVerifier:
        keys = keys_from_text(secrets)
        signature, timestamp = context.header("x-slack-signature"), context.header(_TIMESTAMP)
        context.check_timestamp(_TIMESTAMP, timestamp)
        return HmacVerifier(keys, [signature], _v0_hex, head=f"v0:{timestamp}:".encode())

    def sign(self, secret: str, message: UnsignedMessage) -> SignedMessage:
        signature = hmac_signature(secret, b"v0:%d:%b" % (message.now, message.body), _v0_hex)
        headers = message.json_headers(X_Slack_Request_Timestamp=str(message.now), X_Slack_Signature=signature)
        return SignedMessage(headers, message.body)


def _v0_hex(mac: hmac.HMAC) -> str:
    return "v0=" + hex_digest(mac)
