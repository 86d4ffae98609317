"""Slack: version, time and body are signed. https://docs.slack.dev/authentication/verifying-requests-from-slack"""

from collections.abc import Sequence

from webhooks.protocol.mac import MacCheck, lower_hex, text_keys
from webhooks.schemes.scheme import Call, Check, Scheme

_TIMESTAMP = "x-slack-request-timestamp"


class Slack(Scheme):
    """`X-Slack-Signature: v0=` and the HMAC-SHA256 of `v0:timestamp:body` in lower-case hex."""

    def check(self, secrets: Sequence[str], call: Call) -> Check:
        keys = text_keys(secrets)
        given, timestamp = call.header("x-slack-signature"), call.header(_TIMESTAMP)
        call.fresh(_TIMESTAMP, timestamp)
        return MacCheck(keys, [given], lambda mac: "v0=" + lower_hex(mac), head=f"v0:{timestamp}:".encode())
