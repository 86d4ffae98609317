"""Stripe: time and body are signed, and time, signatures and their versions share one header.

https://docs.stripe.com/webhooks#verify-manually. The secret is used as text, `whsec_` included. Only `v1`
counts: to accept another version would let a forger choose the weakest. As in Stripe's own libraries a time
that lies ahead is no reason to refuse: only Stripe can have signed it.
"""

import math
from collections.abc import Sequence

from webhooks.schemes.scheme import Call, Check, Draft, Sample, Scheme
from webhooks.wire.errors import MalformedHeader
from webhooks.wire.signing.mac import MacCheck, lower_hex, spelled, text_keys

_HEADER = "stripe-signature"


class Stripe(Scheme):
    """`Stripe-Signature: t=...,v1=...`: the HMAC-SHA256 of `t.body` in lower-case hex, once for each secret."""

    id_at = "/id"

    def check(self, secrets: Sequence[str], call: Call) -> Check:
        keys = text_keys(secrets)
        items = [item.partition("=") for item in call.header(_HEADER).split(",")]
        times = [value for name, _, value in items if name == "t"]
        given = [value for name, _, value in items if name == "v1"]
        if len(times) != 1 or not given:
            raise MalformedHeader(_HEADER)
        call.fresh(_HEADER, times[0], future=math.inf)
        return MacCheck(keys, given, lower_hex, head=f"{times[0]}.".encode())

    def sign(self, secret: str, draft: Draft) -> Sample:
        signature = spelled(secret, b"%d.%b" % (draft.now, draft.body), lower_hex)
        return Sample(draft.named(Stripe_Signature=f"t={draft.now},v1={signature}"), draft.body)
