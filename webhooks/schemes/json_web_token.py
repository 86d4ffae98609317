"""JWT (RFC 7519): a token in a header, signed with a key that the sender publishes or shares with us.

A secret is a key in PEM, a JWK or a JWK set (RFC 7517), or a text that is shared (HMAC). With `jwks_url` the keys are
fetched from there, remembered, and looked for anew when a token names one we do not have: so the sender can rotate.
Where keys come from stands in our options and nowhere else: `jku`, `x5u` and `jwk` in a token are not looked at.

header      the header that holds the token; in `authorization` behind the word Bearer    authorization
jwks_url    where the sender publishes its keys
issuer      what `iss` has to be
audience    what `aud` has to hold; needed with `jwks_url`, whose keys sign for others too
claims      what else has to stand in the token: "name=value name=value"
body_claim  the claim with the SHA-256 of the body in hex; without one the body is not signed

Times follow RFC 7519 section 4.1 within the tolerance; a token that never expires must be younger than that.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

from webhooks.schemes import json_web_key as keys
from webhooks.schemes.plain_token import bearer_token
from webhooks.schemes.scheme import (
    BodyVerifier,
    Scheme,
    SignedMessage,
    UnsignedBody,
    UnsignedMessage,
    VerificationContext,
)
from webhooks.schemes.token_claims import check_required_claims, check_times
from webhooks.wire.errors import BadOptions, MalformedHeader, NoMatchingSignature, SenderKeyRequired
from webhooks.wire.header_values import is_name
from webhooks.wire.signing.hmac_signatures import constant_time_equal


class JsonWebToken(Scheme):
    """A signed token. Raises BadOptions."""

    def __init__(
        self,
        *,
        header: str = "authorization",
        jwks_url: str = "",
        issuer: str = "",
        audience: str = "",
        claims: str = "",
        body_claim: str = "",
    ) -> None:
        if not is_name(header):
            raise BadOptions("header")
        if jwks_url and not jwks_url.startswith(("https://", "http://")):
            raise BadOptions("jwks_url")
        if jwks_url and not audience:
            raise BadOptions("audience: the keys at jwks_url sign for others too")
        wanted = [item.partition("=") for item in claims.split()]
        if not all(name and value for name, _, value in wanted):
            raise BadOptions("claims")
        self._header, self._body_claim, self.key_url = header.lower(), body_claim, jwks_url
        self.needs_secret = not jwks_url
        self._wanted = {name: value for name, _, value in wanted}
        self._wanted |= {name: value for name, value in {"iss": issuer, "aud": audience}.items() if value}

    def verifier(self, secrets: Sequence[str], context: VerificationContext) -> BodyVerifier:
        known = keys.read_secrets(secrets) if secrets or not self.key_url else []
        given = context.header(self._header)
        token = keys.ParsedToken.read(bearer_token(self._header, given) if self._header == "authorization" else given)
        if token is None:
            raise MalformedHeader(self._header)
        place = token.fitting(known)
        if place is None and not (self.key_url and self._is_published(token, context)):
            raise NoMatchingSignature
        claims = token.claims()
        if claims is None:
            raise MalformedHeader(self._header)
        check_times(claims, context)
        check_required_claims(claims, self._wanted)
        return _BodyDigest(place, claims.get(self._body_claim)) if self._body_claim else UnsignedBody(place)

    def sign(self, secret: str, message: UnsignedMessage) -> SignedMessage:
        if not secret:
            raise SenderKeyRequired("The private keys of its tokens are the sender's alone.")
        claims: dict[str, Any] = {
            **self._wanted,
            "iat": message.now,
            "exp": message.now + 60,
            "jti": message.message_id,
        }
        if self._body_claim:
            claims[self._body_claim] = hashlib.sha256(message.body).hexdigest()
        token = keys.sign(secret, claims)
        value = f"Bearer {token}" if self._header == "authorization" else token
        return SignedMessage({**message.json_headers(), self._header: value}, message.body)

    def _is_published(self, token: keys.ParsedToken, context: VerificationContext) -> bool:
        """Was it signed with a key at `jwks_url`: one we remember, or one that is new there?"""
        if token.fitting([keys.read_published(context.fetch(self.key_url))]) is not None:
            return True
        return token.fitting([keys.read_published(context.fetch(self.key_url, newer=True))]) is not None


class _BodyDigest:
    """The token holds the SHA-256 of the body."""

    def __init__(self, place: int | None, expected: object) -> None:
        self._place, self._expected, self._body = place, expected, hashlib.sha256()

    def update(self, chunk: bytes, /) -> None:
        self._body.update(chunk)

    def finish(self) -> int | None:
        """The body is complete. Raises NoMatch."""
        if not isinstance(self._expected, str) or not constant_time_equal(self._body.hexdigest(), self._expected):
            raise NoMatchingSignature("the body is not the one whose digest the token holds")
        return self._place
