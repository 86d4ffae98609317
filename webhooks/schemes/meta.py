"""Meta (Facebook, Instagram, WhatsApp, Messenger): the body alone is signed, with the app secret.

https://developers.facebook.com/docs/graph-api/webhooks/getting-started. Its messages have no id of their own. The
address is confirmed by the `hub` handshake before the first one.
"""

from collections.abc import Sequence

from webhooks.schemes.github import sha256_hex
from webhooks.schemes.scheme import Call, Check, Draft, Sample, Scheme
from webhooks.wire.signing.mac import MacCheck, spelled, text_keys


class Meta(Scheme):
    """`X-Hub-Signature-256: sha256=` and the HMAC-SHA256 of the body in lower-case hex."""

    def check(self, secrets: Sequence[str], call: Call) -> Check:
        return MacCheck(text_keys(secrets), [call.header("x-hub-signature-256")], sha256_hex)

    def sign(self, secret: str, draft: Draft) -> Sample:
        signature = spelled(secret, draft.body, sha256_hex)
        return Sample({**draft.named(), "X-Hub-Signature-256": signature}, draft.body)
