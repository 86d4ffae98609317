"""How each provider signs: a name for each, and one call that either returns or raises SignatureError."""

from collections.abc import Callable, Mapping, Sequence

from webhooks.schemes.basic import Basic
from webhooks.schemes.client_certificate import ClientCertificate
from webhooks.schemes.generic_hmac import GenericHmac
from webhooks.schemes.github import GitHub
from webhooks.schemes.json_web_token import JsonWebToken
from webhooks.schemes.meta import Meta
from webhooks.schemes.paypal import PayPal
from webhooks.schemes.plain_token import Bearer, GitLab, HeaderToken
from webhooks.schemes.scheme import BodyVerifier, FetchKeys, Scheme, SignedMessage, UnsignedMessage, fetch_unavailable
from webhooks.schemes.shopify import Shopify
from webhooks.schemes.slack import Slack
from webhooks.schemes.sns import Sns
from webhooks.schemes.square import Square
from webhooks.schemes.standard import Standard, Svix
from webhooks.schemes.stripe import Stripe
from webhooks.schemes.twilio import Twilio
from webhooks.schemes.twitter import Twitter
from webhooks.schemes.unsigned import Unsigned
from webhooks.wire.errors import BadOptions, UnknownScheme
from webhooks.wire.signing.hmac_signatures import TOLERANCE

__all__ = ["SCHEMES", "BodyVerifier", "FetchKeys", "Scheme", "SignedMessage", "UnsignedMessage", "get", "verify"]

SCHEMES: Mapping[str, Callable[..., Scheme]] = {
    "standard": Standard,
    "svix": Svix,
    "github": GitHub,
    "gitlab": GitLab,
    "meta": Meta,
    "paypal": PayPal,
    "shopify": Shopify,
    "slack": Slack,
    "sns": Sns,
    "square": Square,
    "stripe": Stripe,
    "twilio": Twilio,
    "twitter": Twitter,
    "hmac": GenericHmac,
    "basic": Basic,
    "bearer": Bearer,
    "token": HeaderToken,
    "jwt": JsonWebToken,
    "mtls": ClientCertificate,
    "none": Unsigned,
}


def get(name: str, options: Mapping[str, str] | None = None) -> Scheme:
    """The scheme of that name. `hmac`, `token`, `jwt` and `mtls` take options. Raises UnknownScheme, BadOptions."""
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
    method: str = "POST",
    proxied: bool = False,
    fetch: FetchKeys = fetch_unavailable,
) -> None:
    """Return if the message was signed with one of the secrets, else raise SignatureError.

    `url` is the address as the sender knows it, for schemes that sign it; `now` is Unix seconds; `tolerance` is in
    seconds, for schemes that sign a time. `proxied`: the connection comes from a proxy whose word about client
    certificates counts. `fetch` gets published keys (see scheme.Fetch); without it they are out of reach."""
    verifier = get(scheme, options).begin_verification(
        secrets, headers, url=url, now=now, tolerance=tolerance, method=method, proxied=proxied, fetch=fetch
    )
    verifier.update(body)
    verifier.finish()
