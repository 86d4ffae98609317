"""Read the keys of JSON Web Tokens and find the one that signed a token (RFC 7515, 7517, 7518), with joserfc.

A key verifies only algorithms of its own type: a public key is never a shared secret, and `none` matches no key. Only
the public keys of a published set are used.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwa import JWSAlgModel
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey

from webhooks.wire.errors import BadSecret, KeysUnavailable, SenderKeyRequired
from webhooks.wire.signing.hmac_signatures import keys_from_text

ALGORITHMS: dict[type[Any], tuple[str, ...]] = {
    RSAKey: ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    ECKey: ("ES256", "ES384", "ES512"),
    OKPKey: ("EdDSA", "Ed25519"),
    OctKey: ("HS256", "HS384", "HS512"),
}
_MAX_TOKEN = 16 * 1024  # characters of a token
_MAX_TRIES = 16  # signatures checked for one token: each costs up to 0.1 ms
_MIN_SHARED_SECRET = 14  # bytes of a shared secret: 112 bits, NIST SP 800-131A; RFC 7518 section 3.2 asks for 32 bytes
_UNREADABLE = (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError)
_PEM = (RSAKey, ECKey, OKPKey)
_NOT_SHARED = re.compile("-----?BEGIN|---- BEGIN|ssh-rsa |ssh-dss |ssh-ed25519 |ecdsa-sha2-")
_KINDS = {kind.key_type: kind for kind in _PEM}

Keys = tuple[Key, ...]


class _Registry(jws.JWSRegistry):
    """joserfc's algorithms, with EdDSA as the old name of Ed25519 (RFC 9864).

    Unknown header parameters are ignored unless `crit` names them (RFC 7515 section 4.1.11).
    """

    max_header_length = 8 * 1024

    def get_alg(self, name: str) -> JWSAlgModel:
        return super().get_alg("Ed25519" if name == "EdDSA" else name)


_REGISTRY = _Registry(algorithms=[name for names in ALGORITHMS.values() for name in names], strict_check_header=False)


def read_secrets(secrets: Sequence[str]) -> list[Keys]:
    """Return the keys in each secret. Raises BadSecret."""
    keys_from_text(secrets)
    return [_read(secret) for secret in secrets]


def read_published(document: bytes) -> Keys:
    """Return the public keys of a fetched JWK set. Raises KeysUnavailable if it is not a JWK set."""
    try:
        return _published(document)
    except _UNREADABLE as error:
        raise KeysUnavailable("the fetched document is not a JWK set") from error


@dataclass(frozen=True, slots=True)
class ParsedToken:
    """A token that parses; `matching_index` says whether its signature is valid."""

    signed: jws.CompactSignature
    algorithm: str
    key_id: str | None

    @classmethod
    def read(cls, text: str) -> "ParsedToken | None":
        """Parse a token; None if it does not parse."""
        if len(text) > _MAX_TOKEN or not text.isascii():
            return None
        try:
            signed = jws.extract_compact(text.encode(), registry=_REGISTRY)
            header = signed.headers()
            json.loads(signed.payload or b"")
        except _UNREADABLE:
            return None
        algorithm, key_id = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str) or not isinstance(key_id, str | None):
            return None
        return cls(signed, algorithm, key_id)

    def matching_index(self, known: Sequence[Keys]) -> int | None:
        """Return the index of the first keys of which one signed this token, or None."""
        candidates = [(index, key) for index, keys in enumerate(known) for key in keys if self._may_be(key)]
        return next((index for index, key in candidates[:_MAX_TRIES] if self._is_signed_with(key)), None)

    def claims(self) -> dict[str, Any] | None:
        """Return the claims, if the payload is a JSON object."""
        found = json.loads(self.signed.payload or b"")
        return found if isinstance(found, dict) else None

    def _may_be(self, key: Key) -> bool:
        named = key.kid is None or self.key_id is None or key.kid == self.key_id
        return named and self.algorithm in ALGORITHMS[type(key)]

    def _is_signed_with(self, key: Key) -> bool:
        try:
            return jws.validate_compact(self.signed, key, registry=_REGISTRY)
        except (JoseError, ValueError, TypeError):
            return False


def sign(secret: str, claims: dict[str, Any]) -> str:
    """Sign a token with these claims. Raises BadSecret; SenderKeyRequired for a public key."""
    key = read_secrets([secret])[0][0]
    if not isinstance(key, OctKey) and not key.is_private:
        raise SenderKeyRequired("Only the sender has the private key of its tokens.")
    algorithm = ALGORITHMS[type(key)][0]
    header = {"alg": algorithm} if key.kid is None else {"alg": algorithm, "kid": key.kid}
    try:
        return jwt.encode(header, claims, key, registry=_REGISTRY)
    except (JoseError, ValueError) as error:
        raise SenderKeyRequired("A test message cannot be signed with a key of this type.") from error


@lru_cache(maxsize=128)
def _read(secret: str) -> Keys:
    try:
        if secret.lstrip().startswith("{"):
            document = json.loads(secret)
            found = _members(document.get("keys", [document]))
            if not found:
                raise ValueError("no key")
            return found
        if "-----BEGIN" in secret:
            return (_from_pem(secret),)
        if _NOT_SHARED.search(secret) or len(secret.encode()) < _MIN_SHARED_SECRET:
            raise ValueError("not a shared secret")
        return (OctKey.import_key(secret),)
    except _UNREADABLE as error:
        raise BadSecret("must be PEM, a JWK, a JWK set, or a shared secret of 14 bytes or more") from error


@lru_cache(maxsize=128)
def _published(document: bytes) -> Keys:
    members = json.loads(document)["keys"]
    if not isinstance(members, list):
        raise TypeError
    return _members(members)


def _members(members: list[Any]) -> Keys:
    """Return the public signature keys among these JWKs; others are ignored (RFC 7517 section 5)."""
    return tuple(key for key in map(_member, members) if key is not None)


def _member(jwk: Any) -> Key | None:
    if not isinstance(jwk, dict) or jwk.get("kty") not in _KINDS or jwk.get("use") not in (None, "sig"):
        return None
    try:
        return _KINDS[jwk["kty"]].import_key(jwk)
    except _UNREADABLE:
        return None


def _from_pem(text: str) -> Key:
    for kind in _PEM:
        try:
            return kind.import_key(text)
        except (JoseError, ValueError, TypeError):
            continue
    raise ValueError("not a key in PEM")
