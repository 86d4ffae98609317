"""Verify links that the host's own application has signed, so that its login opens the portal without a request.

A signed link is a JSON Web Token (RFC 7519), HS256 (RFC 7518, section 3.2), in place of the token of a one-time link.
It opens one session: its digest is stored with the session, as that of any link, and is unique.
"""

import re
import time
from hashlib import sha256
from typing import Any

import structlog
from django.conf import settings
from joserfc import jwt
from joserfc.errors import BadSignatureError, InvalidClaimError, JoseError, MissingClaimError
from joserfc.jwk import OctKey

from subscriptions.errors import Invalid

SIGNED = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
AUDIENCE = "waypost-portal"
EXPLAINED = {"aud": f"Must be {AUDIENCE}.", "sub": "Must be a string.", "jti": "Must be a string."}
MAX_LENGTH = 8_192  # characters of a token
MAX_LIFETIME = 300  # seconds until it expires
CLOCK_SKEW = 60  # seconds by which the clocks of two machines may differ
NAME_LENGTH = 8  # hexadecimal digits by which a key is named

_log = structlog.get_logger("waypost.portal")


def is_signed(token: str) -> bool:
    """Return whether the token of a link is a signed one, by its form."""
    return SIGNED.fullmatch(token) is not None


def verify(token: str) -> tuple[dict[str, Any], str] | None:
    """Return the claims of a token and the name of the key that signed it; None for one that opens nothing.

    The reason is in the log only. Raises Invalid for a claim that is missing or wrong in a token of ours: the
    application that signed it has to be changed.
    """
    if len(token) > MAX_LENGTH:
        return None
    for key in settings.WAYPOST_PORTAL_KEYS:
        try:
            claims = _decode(token, key)
        except BadSignatureError:
            continue
        except Invalid:
            raise
        except (JoseError, ValueError, RecursionError, OverflowError) as error:
            _log.warning("signed link refused", reason=str(error)[:200])
            return None
        return claims, key_name(key)
    _log.warning("signed link refused", reason="no key in WAYPOST_PORTAL_KEYS has signed it")
    return None


def key_name(key: str) -> str:
    """Return the beginning of the digest of a key, which names it where it was used."""
    return f"portal key {sha256(key.encode()).hexdigest()[:NAME_LENGTH]}"


def _decode(token: str, key: str) -> dict[str, Any]:
    """Return the claims. Raises Invalid for those of a valid signature, and the errors of joserfc."""
    claims: dict[str, Any] = dict(jwt.decode(token, OctKey.import_key(key), algorithms=["HS256"]).claims)
    is_needed: Any = {"essential": True}
    registry = jwt.JWTClaimsRegistry(
        leeway=CLOCK_SKEW, aud={"essential": True, "value": AUDIENCE}, exp=is_needed, jti=is_needed, sub=is_needed
    )
    try:
        registry.validate(claims)
    except MissingClaimError as error:
        raise Invalid(error.claim, "Is required.") from None
    except InvalidClaimError as error:
        if error.claim not in EXPLAINED:
            raise
        raise Invalid(error.claim, EXPLAINED[error.claim]) from None
    claims["exp"] = int(claims["exp"])
    if claims["exp"] > time.time() + MAX_LIFETIME + CLOCK_SKEW:
        raise Invalid("exp", f"Must be at most {MAX_LIFETIME} seconds from now.")
    return claims
