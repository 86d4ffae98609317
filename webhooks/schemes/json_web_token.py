"""JWT (RFC 7519): a token in a header, signed with a key that the sender publishes or shares with the receiver.

A secret is a key in PEM, a JWK or a JWK set (RFC 7517), or a shared text (HMAC). With `jwks_url` the keys are fetched
from there and cached, and fetched again when a token names an unknown one, so that the sender can rotate its keys. Only
the options say where keys come from: `jku`, `x5u` and `jwk` in a token are ignored.

Options and their defaults:

header      the header with the token; in `authorization` after the word Bearer    authorization
jwks_url    where the sender publishes its keys
issuer      the required value of `iss`
audience    the required value of `aud`; needed with `jwks_url`, whose keys sign for others too
claims      further required claims: "name=value name=value"
body_claim  the claim with the SHA-256 of the body in hex; without one the body is not signed

Times follow RFC 7519 section 4.1 within the tolerance. A token without `exp` must be younger than the tolerance.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

from webhooks.schemes import json_web_key as keys
from webhooks.schemes.header_token import bearer_token
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

    name = "jwt"
    label = "JWT: a shared secret, a public key, or the option jwks_url"

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
            raise BadOptions("header must be a header name")
        if jwks_url and not jwks_url.startswith(("https://", "http://")):
            raise BadOptions("jwks_url must begin with https://")
        if jwks_url and not audience:
            raise BadOptions("audience is required with jwks_url, whose keys sign for others too")
        pairs = [item.partition("=") for item in claims.split()]
        if not all(name and value for name, _, value in pairs):
            raise BadOptions("claims must be name=value pairs separated by spaces")
        self._header, self._body_claim, self.key_url = header.lower(), body_claim, jwks_url
        self.needs_secret = not jwks_url
        self._required = {name: value for name, _, value in pairs}
        self._required |= {name: value for name, value in {"iss": issuer, "aud": audience}.items() if value}

    def verifier(self, secrets: Sequence[str], context: VerificationContext) -> BodyVerifier:
        known = keys.read_secrets(secrets) if secrets or not self.key_url else []
        value = context.header(self._header)
        token = keys.ParsedToken.read(bearer_token(self._header, value) if self._header == "authorization" else value)
        if token is None:
            raise MalformedHeader(self._header)
        secret_index = token.matching_index(known)
        if secret_index is None and not (self.key_url and self._is_published(token, context)):
            raise NoMatchingSignature
        claims = token.claims()
        if claims is None:
            raise MalformedHeader(self._header)
        check_times(claims, context)
        check_required_claims(claims, self._required)
        if not self._body_claim:
            return UnsignedBody(secret_index)
        return _BodyDigest(secret_index, claims.get(self._body_claim))

    def sign(self, secret: str, message: UnsignedMessage) -> SignedMessage:
        if not secret:
            raise SenderKeyRequired("Only the sender has the private keys of its tokens.")
        claims: dict[str, Any] = {
            **self._required,
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
        """Tell whether a key at `jwks_url` signed the token: a cached one, or else one that is fetched again."""
        if token.matching_index([keys.read_published(context.fetch(self.key_url))]) is not None:
            return True
        return token.matching_index([keys.read_published(context.fetch(self.key_url, newer=True))]) is not None


class _BodyDigest:
    """The token contains the SHA-256 of the body."""

    def __init__(self, secret_index: int | None, expected: object) -> None:
        self._secret_index, self._expected, self._body = secret_index, expected, hashlib.sha256()

    def update(self, chunk: bytes, /) -> None:
        self._body.update(chunk)

    def finish(self) -> int | None:
        """Compare the digests and return the index of the secret. Raises NoMatchingSignature."""
        if not isinstance(self._expected, str) or not constant_time_equal(self._body.hexdigest(), self._expected):
            raise NoMatchingSignature("the token has another digest than the body")
        return self._secret_index
