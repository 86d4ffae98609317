"""JWT (RFC 7519): a token in a header or in the body, signed with a key that the sender publishes or shares.

A secret is a key in PEM, a JWK or a JWK set (RFC 7517), or a shared text (HMAC). With `jwks_url` the keys are fetched
from there and cached, and fetched again when a token names an unknown one, so that the sender can rotate its keys. Only
the options say where keys come from: `jku`, `x5u` and `jwk` in a token are ignored.

Options and their defaults:

header      the header with the token; in `authorization` after the word Bearer, or alone    authorization
token_path  where the token is instead: query:name, body:/json/pointer, form:name, or body: for the whole body
jwks_url    where the sender publishes its keys
issuer      the required value of `iss`
audience    the required value of `aud`; needed with `jwks_url`, whose keys sign for others too
claims      further required claims: "name=value name=value"
body_claim  the claim with the SHA-256 of the body in hex; without one the body is not signed
times       required, or optional: a token without `exp` and `iat` is accepted, and can be replayed    required

Times follow RFC 7519 section 4.1 within the tolerance. A token without `exp` must be younger than the tolerance. A body
that is a token, or has one, is kept in memory until it is verified.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

from webhooks.schemes import json_web_key as keys
from webhooks.schemes.header_token import bearer_token
from webhooks.schemes.sample_body import with_member
from webhooks.schemes.scheme import (
    BodyVerifier,
    KeptBody,
    Scheme,
    SignedMessage,
    UnsignedBody,
    UnsignedMessage,
    VerificationContext,
)
from webhooks.schemes.token_claims import check_required_claims, check_times
from webhooks.wire.errors import BadOptions, MalformedHeader, NoMatchingSignature, SenderKeyRequired
from webhooks.wire.header_values import is_name
from webhooks.wire.message_values import MessageValues, is_in_body, is_path
from webhooks.wire.signing.hmac_signatures import constant_time_equal

WHOLE_BODY = "body:"  # value of token_path


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
        token_path: str = "",
        times: str = "required",
    ) -> None:
        if not is_name(header):
            raise BadOptions("header must be a header name")
        if token_path and (not (is_path(token_path) or token_path == WHOLE_BODY) or token_path.startswith("header:")):
            raise BadOptions("token_path must be query:name, body:/json/pointer, form:name or body:")
        if is_in_body(token_path) and body_claim:
            raise BadOptions("body_claim is for a token that is not in the body")
        if times not in ("required", "optional"):
            raise BadOptions("times must be required or optional")
        if jwks_url and not jwks_url.startswith(("https://", "http://")):
            raise BadOptions("jwks_url must begin with https://")
        if jwks_url and not audience:
            raise BadOptions("audience is required with jwks_url, whose keys sign for others too")
        pairs = [item.partition("=") for item in claims.split()]
        if not all(name and value for name, _, value in pairs):
            raise BadOptions("claims must be name=value pairs separated by spaces")
        self._header, self._body_claim, self.key_url = header.lower(), body_claim, jwks_url
        self._path, self._needs_times = token_path, times == "required"
        self.needs_secret = not jwks_url
        self._required = {name: value for name, _, value in pairs}
        self._required |= {name: value for name, value in {"iss": issuer, "aud": audience}.items() if value}

    def verifier(self, secrets: Sequence[str], context: VerificationContext) -> BodyVerifier:
        known = keys.read_secrets(secrets) if secrets or not self.key_url else []
        if is_in_body(self._path):
            return _TokenInBody(self._path, context, lambda text: self._accept(text, known, context)[0])
        secret_index, claims = self._accept(self._token(context), known, context)
        if not self._body_claim:
            return UnsignedBody(secret_index)
        return _BodyDigest(secret_index, claims.get(self._body_claim))

    def _token(self, context: VerificationContext) -> str:
        """Return the token in the header or the query. Raises MissingHeader, MalformedHeader."""
        if self._path:
            return MessageValues(context.headers, context.url_parts().query).find(self._path) or ""
        value = context.header(self._header)
        return bearer_token(self._header, value) if self._header == "authorization" and " " in value else value

    def _accept(
        self, text: str, known: Sequence[keys.Keys], context: VerificationContext
    ) -> tuple[int | None, dict[str, Any]]:
        """Verify a token; return the index of the secret (None: a published key) and the claims."""
        place = self._path or self._header
        token = keys.ParsedToken.read(text)
        if token is None:
            raise MalformedHeader(place)
        secret_index = token.matching_index(known)
        if secret_index is None and not (self.key_url and self._is_published(token, context)):
            raise NoMatchingSignature
        claims = token.claims()
        if claims is None:
            raise MalformedHeader(place)
        if self._needs_times or claims.keys() & {"exp", "iat"}:
            check_times(claims, context)
        check_required_claims(claims, self._required)
        return secret_index, claims

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
        if self._path == WHOLE_BODY:
            return SignedMessage({"Content-Type": "text/plain"}, token.encode())
        if is_in_body(self._path):
            return SignedMessage(message.json_headers(), with_member(message.body, self._path, token))
        if self._path:
            name = self._path.partition(":")[2]
            return SignedMessage(message.json_headers(), message.body, urlencode({name: token}))
        value = f"Bearer {token}" if self._header == "authorization" else token
        return SignedMessage({**message.json_headers(), self._header: value}, message.body)

    def _is_published(self, token: keys.ParsedToken, context: VerificationContext) -> bool:
        """Return whether a key at `jwks_url` signed the token: a cached one, or else one that is fetched again."""
        if token.matching_index([keys.read_published(context.fetch(self.key_url))]) is not None:
            return True
        return token.matching_index([keys.read_published(context.fetch(self.key_url, newer=True))]) is not None


class _TokenInBody(KeptBody):
    """Keep the body, which is a token or has one."""

    def __init__(self, path: str, context: VerificationContext, accept: Callable[[str], int | None]) -> None:
        super().__init__()
        self._path, self._context, self._accept = path, context, accept

    def finish(self) -> int | None:
        """Verify the token and return the index of the secret. Raises SignatureError."""
        if self._path == WHOLE_BODY:
            return self._accept(self.content.decode("latin-1").strip("\r\n"))
        values = MessageValues(self._context.headers, "", self.content, paths=[self._path])
        return self._accept(values.find(self._path) or "")


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
