"""Square: the URL the notification was registered for and the body are signed.

https://developer.squareup.com/docs/webhooks/step3validate. A notification without a body does not exist.
"""

from collections.abc import Sequence

from webhooks.protocol.errors import NoMatch
from webhooks.protocol.mac import MacCheck, in_base64, text_keys
from webhooks.schemes.scheme import Call, Check, Scheme


class Square(Scheme):
    """`x-square-hmacsha256-signature`: the HMAC-SHA256 of URL and body in base64."""

    def check(self, secrets: Sequence[str], call: Call) -> Check:
        given = call.header("x-square-hmacsha256-signature")
        return _NotEmpty(text_keys(secrets), [given], in_base64, head=call.called_url())


class _NotEmpty(MacCheck):
    _seen = False

    def update(self, chunk: bytes) -> None:
        self._seen = self._seen or bool(chunk)
        super().update(chunk)

    def finish(self) -> None:
        if not self._seen:
            raise NoMatch
        super().finish()
