"""GitHub: the body alone is signed, so nothing but the delivery id tells a replay from a message.

https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries. The SHA-1 header of old is not
looked at.
"""

import hmac
from collections.abc import Sequence

from webhooks.schemes.scheme import Call, Check, Draft, Sample, Scheme
from webhooks.wire.signing.mac import MacCheck, lower_hex, spelled, text_keys


class GitHub(Scheme):
    """`X-Hub-Signature-256: sha256=` and the HMAC-SHA256 of the body in lower-case hex."""

    id_header = "x-github-delivery"
    type_header = "x-github-event"

    def check(self, secrets: Sequence[str], call: Call) -> Check:
        return MacCheck(text_keys(secrets), [call.header("x-hub-signature-256")], sha256_hex)

    def sign(self, secret: str, draft: Draft) -> Sample:
        signature = spelled(secret, draft.body, sha256_hex)
        headers = draft.named(X_GitHub_Delivery=draft.message_id, X_GitHub_Event=draft.event_type)
        return Sample({**headers, "X-Hub-Signature-256": signature}, draft.body)


def sha256_hex(mac: hmac.HMAC) -> str:
    """The spelling that names its digest: `sha256=` and lower-case hex."""
    return "sha256=" + lower_hex(mac)
