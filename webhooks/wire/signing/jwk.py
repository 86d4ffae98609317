"""Write an ed25519 public key as a JSON Web Key (RFC 8037), with its thumbprint as key id (RFC 7638)."""

from base64 import b64decode, urlsafe_b64encode
from hashlib import sha256

from webhooks.wire.errors import BadSecret
from webhooks.wire.signing.keys import PUBLIC_KEY_PREFIX, PublicKey, read_key


def jwk(public_key: str) -> dict[str, str]:
    """Return the JSON Web Key of a `whpk_` key. Raises BadSecret."""
    if not isinstance(read_key(public_key), PublicKey):
        raise BadSecret(f"must be a public key, which begins with {PUBLIC_KEY_PREFIX}")
    text = public_key.removeprefix(PUBLIC_KEY_PREFIX)
    x = _url_safe(b64decode(text + "=" * (-len(text) % 4)))
    # RFC 7638 section 3: the required members, sorted by name, without white space.
    thumbprint = sha256(b'{"crv":"Ed25519","kty":"OKP","x":"%b"}' % x.encode()).digest()
    return {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": _url_safe(thumbprint), "x": x}


def _url_safe(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
