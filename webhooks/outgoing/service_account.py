"""Request access tokens for a Google service account, by a JWT signed with its key (RFC 7523, section 2.1).

https://developers.google.com/identity/protocols/oauth2/service-account#httprest. Who needs a token sends the request
and keeps the token.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

import orjson
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

LIFETIME = 3600  # seconds that a JWT is valid
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class ServiceAccount(NamedTuple):
    """The members of a key file that are used."""

    email: str
    key: RSAKey
    key_id: str
    token_url: str
    project: str


def read_key(text: str) -> ServiceAccount:
    """Return a service account by its key file, JSON. Raises ValueError with a sentence."""
    try:
        document: Any = orjson.loads(text)
    except ValueError:
        raise ValueError("Must be the JSON of a service account's key.") from None
    names = ("client_email", "private_key", "token_uri")
    if not isinstance(document, dict) or not all(isinstance(document.get(name), str) for name in names):
        raise ValueError(f"Must be the JSON of a service account's key, with {', '.join(names)}.")
    try:
        key = RSAKey.import_key(document["private_key"])
        is_private = key.is_private
    except (ValueError, JoseError):
        is_private = False
    if not is_private:
        raise ValueError("Its private_key must be an RSA key in PEM.")
    project, key_id = (str(document.get(name) or "") for name in ("project_id", "private_key_id"))
    return ServiceAccount(document["client_email"], key, key_id, document["token_uri"], project)


def key_problem(text: str | None, *, is_required: bool) -> str:
    """Return what is wrong with a key file in a setting; empty if nothing is."""
    if not text:
        return "Is required." if is_required else ""
    try:
        read_key(text)
    except ValueError as error:
        return str(error)
    return ""


def token_request(account: ServiceAccount, scope: str, now: float) -> tuple[Mapping[str, str], bytes]:
    """Return headers and body of a POST request to the token URL of an account; ``now`` in unix seconds."""
    issued = int(now)
    claims = {"iss": account.email, "scope": scope, "aud": account.token_url, "iat": issued, "exp": issued + LIFETIME}
    assertion = jwt.encode({"alg": "RS256", "kid": account.key_id}, claims, account.key)
    body = urlencode({"grant_type": GRANT, "assertion": assertion}).encode()
    return {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}, body
