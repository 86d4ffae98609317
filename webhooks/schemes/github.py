"""GitHub: the body alone is signed, so nothing but the delivery id tells a replay from a message.

https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries. The SHA-1 header of old is not
looked at.
"""

from collections.abc import Sequence

from webhooks.protocol.mac import MacCheck, lower_hex, text_keys
from webhooks.schemes.scheme import Call, Check, Scheme


class GitHub(Scheme):
    """`X-Hub-Signature-256: sha256=` and the HMAC-SHA256 of the body in lower-case hex."""

    id_header = "x-github-delivery"
    type_header = "x-github-event"

    def check(self, secrets: Sequence[str], call: Call) -> Check:
        given = call.header("x-hub-signature-256")
        return MacCheck(text_keys(secrets), [given], lambda mac: "sha256=" + lower_hex(mac))
