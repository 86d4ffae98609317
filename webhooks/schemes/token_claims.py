"""Check the claims of a token: its times, and the values that the options require (RFC 7519 section 4.1)."""

from collections.abc import Mapping
from typing import Any

from webhooks.schemes.scheme import VerificationContext
from webhooks.wire.errors import StaleTimestamp, WrongClaim


def check_times(claims: Mapping[str, Any], context: VerificationContext) -> None:
    """Check `exp`, `nbf` and `iat`, each within the tolerance. Raises StaleTimestamp, WrongClaim."""
    expires, begins, issued = (_moment(claims, name) for name in ("exp", "nbf", "iat"))
    if expires is None and issued is None:
        raise StaleTimestamp("the token has neither exp nor iat")
    if expires is None and issued is not None:
        context.check_moment(issued)
    if expires is not None:
        context.check_moment(min(expires, context.now))  # the end of its use may be far ahead
    for start in (begins, issued):
        if start is not None:
            context.check_moment(max(start, context.now))  # the start of its use may be long ago


def check_required_claims(claims: Mapping[str, Any], required: Mapping[str, str]) -> None:
    """Check that each claim equals the required value, or is a list that contains it. Raises WrongClaim."""
    for name, value in required.items():
        claim = claims.get(name)
        if value not in (claim if isinstance(claim, list) else [claim]):
            raise WrongClaim(name)


def _moment(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 10**15:
        raise WrongClaim(name)
    return float(value)
