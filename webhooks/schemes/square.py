"""Square: the URL the notification was registered for and the body are signed.

https://developer.squareup.com/docs/webhooks/step3validate. A notification without a body does not exist.
"""

from collections.abc import Sequence

from webhooks.schemes.scheme import Call, Check, Draft, Sample, Scheme
from webhooks.wire.errors import NoMatch
from webhooks.wire.signing.mac import MacCheck, in_base64, spelled, text_keys


class Square(Scheme):
    """`x-square-hmacsha256-signature`: the HMAC-SHA256 of URL and body in base64."""

    id_at = "/event_id"

    def check(self, secrets: Sequence[str], call: Call) -> Check:
        given = call.header("x-square-hmacsha256-signature")
        return _NotEmpty(text_keys(secrets), [given], in_base64, head=call.called_url())

    def sign(self, secret: str, draft: Draft) -> Sample:
        signature = spelled(secret, draft.url.encode() + draft.body, in_base64)
        return Sample({**draft.named(), "x-square-hmacsha256-signature": signature}, draft.body)


class _NotEmpty(MacCheck):
    _seen = False

    def update(self, chunk: bytes) -> None:
        self._seen = self._seen or bool(chunk)
        super().update(chunk)

    def finish(self) -> int:
        if not self._seen:
            raise NoMatch
        return super().finish()
