"""Read the keys of JSON Web Tokens and find the one that signed a token (RFC 7515, 7517, 7518), with joserfc.

A key verifies only the algorithms of its own type. So a token cannot make a public key serve as the shared secret of an
HMAC, and a token with the algorithm `none` matches no key. Shared secrets in a JWK set are ignored.
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
_MAX_TOKEN_LENGTH = 16 * 1024  # characters
_MAX_SIGNATURE_CHECKS = 16  # keys tried for one token; each check takes up to 0.1 ms
_MIN_SHARED_SECRET_BYTES = 14  # 112 bits, the minimum of NIST SP 800-131A; RFC 7518 section 3.2 requires 32 bytes
# Raised by joserfc and json for input that is not a key or token.
_PARSE_ERRORS = (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError)
_ASYMMETRIC = (RSAKey, ECKey, OKPKey)
# Text that is a key in PEM or OpenSSH format, which must not be used as a shared secret by mistake.
_OTHER_KEY_FORMATS = re.compile("-----?BEGIN|---- BEGIN|ssh-rsa |ssh-dss |ssh-ed25519 |ecdsa-sha2-")
_BY_KEY_TYPE = {kind.key_type: kind for kind in _ASYMMETRIC}  # by the `kty` of a JWK

Keys = tuple[Key, ...]


class _Registry(jws.JWSRegistry):
    """Provide the algorithms of joserfc, and EdDSA as the old name of Ed25519 (RFC 9864).

    Unknown header parameters are ignored unless `crit` names them (RFC 7515 section 4.1.11).
    """

    max_header_length = 8 * 1024

    def get_alg(self, name: str) -> JWSAlgModel:
        return super().get_alg("Ed25519" if name == "EdDSA" else name)


_REGISTRY = _Registry(algorithms=[name for names in ALGORITHMS.values() for name in names], strict_check_header=False)


def read_secrets(secrets: Sequence[str]) -> list[Keys]:
    """Return for each secret the keys in it: several if it is a JWK set. Raises BadSecret."""
    keys_from_text(secrets)  # raises BadSecret
    return [_read_secret(secret) for secret in secrets]


def read_published(document: bytes) -> Keys:
    """Return the public keys of a fetched JWK set. Raises KeysUnavailable if it is not a JWK set."""
    try:
        return _read_jwk_set(document)
    except _PARSE_ERRORS as error:
        raise KeysUnavailable("the fetched document is not a JWK set") from error


@dataclass(frozen=True, slots=True)
class ParsedToken:
    """Hold a token that was parsed but not verified; `matching_index` verifies its signature."""

    signed: jws.CompactSignature
    algorithm: str
    key_id: str | None

    @classmethod
    def read(cls, text: str) -> "ParsedToken | None":
        """Parse a token; return None if it is malformed."""
        if len(text) > _MAX_TOKEN_LENGTH or not text.isascii():
            return None
        try:
            signed = jws.extract_compact(text.encode(), registry=_REGISTRY)
            header = signed.headers()
            json.loads(signed.payload or b"")
        except _PARSE_ERRORS:
            return None
        algorithm, key_id = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str) or not isinstance(key_id, str | None):
            return None
        return cls(signed, algorithm, key_id)

    def matching_index(self, key_sets: Sequence[Keys]) -> int | None:
        """Return the index of the first key set that contains the key that signed this token, or None.

        At most _MAX_SIGNATURE_CHECKS keys are tried.
        """
        candidates = [(index, key) for index, keys in enumerate(key_sets) for key in keys if self._is_candidate(key)]
        return next((index for index, key in candidates[:_MAX_SIGNATURE_CHECKS] if self._is_signed_with(key)), None)

    def claims(self) -> dict[str, Any] | None:
        """Return the claims, or None if the payload is not a JSON object."""
        payload = json.loads(self.signed.payload or b"")
        return payload if isinstance(payload, dict) else None

    def _is_candidate(self, key: Key) -> bool:
        """Return whether the key has the token's key id, if both have one, and a type for the token's algorithm."""
        same_id = key.kid is None or self.key_id is None or key.kid == self.key_id
        return same_id and self.algorithm in ALGORITHMS[type(key)]

    def _is_signed_with(self, key: Key) -> bool:
        try:
            return jws.validate_compact(self.signed, key, registry=_REGISTRY)
        except (JoseError, ValueError, TypeError):
            return False


def sign(secret: str, claims: dict[str, Any]) -> str:
    """Return a token with these claims, signed with the first key of the secret, to test a source.

    Raises BadSecret; SenderKeyRequired if that is a public key or cannot sign.
    """
    key = read_secrets([secret])[0][0]
    if not isinstance(key, OctKey) and not key.is_private:
        raise SenderKeyRequired("Only the sender has the private key that signs its tokens.")
    algorithm = ALGORITHMS[type(key)][0]
    header = {"alg": algorithm} if key.kid is None else {"alg": algorithm, "kid": key.kid}
    try:
        return jwt.encode(header, claims, key, registry=_REGISTRY)
    except (JoseError, ValueError) as error:
        raise SenderKeyRequired("A test message cannot be signed with a key of this type.") from error


@lru_cache(maxsize=128)
def _read_secret(secret: str) -> Keys:
    try:
        if secret.lstrip().startswith("{"):
            document = json.loads(secret)
            keys = _signature_keys(document.get("keys", [document]))
            if not keys:
                raise ValueError("no key")
            return keys
        if "-----BEGIN" in secret:
            return (_from_pem(secret),)
        if _OTHER_KEY_FORMATS.search(secret) or len(secret.encode()) < _MIN_SHARED_SECRET_BYTES:
            raise ValueError("not a shared secret")
        return (OctKey.import_key(secret),)
    except _PARSE_ERRORS as error:
        raise BadSecret(
            f"must be PEM, a JWK, a JWK set, or a shared secret of {_MIN_SHARED_SECRET_BYTES} bytes or more"
        ) from error


@lru_cache(maxsize=128)
def _read_jwk_set(document: bytes) -> Keys:
    jwks = json.loads(document)["keys"]
    if not isinstance(jwks, list):
        raise TypeError
    return _signature_keys(jwks)


def _signature_keys(jwks: list[Any]) -> Keys:
    """Return the RSA, EC and OKP keys for signatures among these JWKs; others are ignored (RFC 7517 section 5)."""
    return tuple(key for key in map(_signature_key, jwks) if key is not None)


def _signature_key(jwk: Any) -> Key | None:
    if not isinstance(jwk, dict) or jwk.get("kty") not in _BY_KEY_TYPE or jwk.get("use") not in (None, "sig"):
        return None
    try:
        return _BY_KEY_TYPE[jwk["kty"]].import_key(jwk)
    except _PARSE_ERRORS:
        return None


def _from_pem(text: str) -> Key:
    for kind in _ASYMMETRIC:
        try:
            return kind.import_key(text)
        except (JoseError, ValueError, TypeError):
            continue
    raise ValueError("not a key in PEM")
