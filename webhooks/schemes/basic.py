"""HTTP Basic (RFC 7617): a secret is `user:password`. It proves who calls, and nothing about the body."""

import hmac
from collections.abc import Sequence

from webhooks.protocol import base64text
from webhooks.protocol.errors import BadSecret, MalformedHeader, NoMatch
from webhooks.protocol.mac import text_keys
from webhooks.schemes.scheme import Call, Check, Passed, Scheme


class Basic(Scheme):
    """`Authorization: Basic` and the base64 of `user:password` in UTF-8."""

    def check(self, secrets: Sequence[str], call: Call) -> Check:
        known = text_keys(secrets)
        if any(b":" not in secret for secret in known):
            raise BadSecret("it has to be user:password")
        kind, _, encoded = call.header("authorization").partition(" ")
        try:
            given = base64text.decode(encoded.strip(" "))
        except ValueError:
            raise MalformedHeader("authorization") from None
        if kind.lower() != "basic":
            raise MalformedHeader("authorization")
        # Every secret is compared, so that the time does not tell which one it was.
        if not sum(hmac.compare_digest(secret, given) for secret in known):
            raise NoMatch
        return Passed()
