"""How each provider signs: a name for each, and one call that either returns or raises SignatureError."""

from collections.abc import Callable, Mapping, Sequence

from webhooks.protocol.errors import BadOptions, UnknownScheme
from webhooks.protocol.mac import TOLERANCE
from webhooks.schemes.basic import Basic
from webhooks.schemes.generic import Generic
from webhooks.schemes.github import GitHub
from webhooks.schemes.plain_token import Bearer, GitLab, Token
from webhooks.schemes.scheme import Check, Scheme
from webhooks.schemes.shopify import Shopify
from webhooks.schemes.slack import Slack
from webhooks.schemes.square import Square
from webhooks.schemes.standard import Standard, Svix
from webhooks.schemes.stripe import Stripe
from webhooks.schemes.twilio import Twilio
from webhooks.schemes.unsigned import Unsigned

__all__ = ["SCHEMES", "Check", "Scheme", "get", "verify"]

SCHEMES: Mapping[str, Callable[..., Scheme]] = {
    "standard": Standard,
    "svix": Svix,
    "github": GitHub,
    "gitlab": GitLab,
    "shopify": Shopify,
    "slack": Slack,
    "square": Square,
    "stripe": Stripe,
    "twilio": Twilio,
    "hmac": Generic,
    "basic": Basic,
    "bearer": Bearer,
    "token": Token,
    "none": Unsigned,
}


def get(name: str, options: Mapping[str, str] | None = None) -> Scheme:
    """The scheme of that name. Only `hmac` and `token` take options. Raises UnknownScheme, BadOptions."""
    if name not in SCHEMES:
        raise UnknownScheme(name)
    try:
        return SCHEMES[name](**(options or {}))
    except (TypeError, AttributeError):
        raise BadOptions(f"{name} does not take these") from None


def verify(
    scheme: str,
    secrets: Sequence[str],
    headers: Mapping[str, str],
    body: bytes,
    *,
    url: str = "",
    now: float,
    tolerance: int = TOLERANCE,
    options: Mapping[str, str] | None = None,
) -> None:
    """Return if the message was signed with one of the secrets, else raise SignatureError.

    `url` is the address as the sender knows it, for schemes that sign it; `now` is Unix seconds; `tolerance` is
    in seconds, for schemes that sign a time."""
    check = get(scheme, options).begin(secrets, headers, url=url, now=now, tolerance=tolerance)
    check.update(body)
    check.finish()
