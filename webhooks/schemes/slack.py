"""Slack: version, time and body are signed. https://docs.slack.dev/authentication/verifying-requests-from-slack"""

import hmac
from collections.abc import Sequence

from webhooks.schemes.scheme import Call, Check, Draft, Sample, Scheme
from webhooks.wire.signing.mac import MacCheck, lower_hex, spelled, text_keys

_TIMESTAMP = "x-slack-request-timestamp"


class Slack(Scheme):
    """`X-Slack-Signature: v0=` and the HMAC-SHA256 of `v0:timestamp:body` in lower-case hex."""

    id_at = "/event_id"

    def check(self, secrets: Sequence[str], call: Call) -> Check:
        keys = text_keys(secrets)
        given, timestamp = call.header("x-slack-signature"), call.header(_TIMESTAMP)
        call.fresh(_TIMESTAMP, timestamp)
        return MacCheck(keys, [given], _spell, head=f"v0:{timestamp}:".encode())

    def sign(self, secret: str, draft: Draft) -> Sample:
        signature = spelled(secret, b"v0:%d:%b" % (draft.now, draft.body), _spell)
        headers = draft.named(X_Slack_Request_Timestamp=str(draft.now), X_Slack_Signature=signature)
        return Sample(headers, draft.body)


def _spell(mac: hmac.HMAC) -> str:
    return "v0=" + lower_hex(mac)
