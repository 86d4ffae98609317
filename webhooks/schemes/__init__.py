"""Verify and sign messages the way each provider does: one module per provider, found by the scheme's name.

Pure: no Django, clock or network. ``webhooks.sources``, ``webhooks.receiving`` and ``webhooks.admin`` call in.
A new scheme is one module and one line in ``_CLASSES``: see docs/how-to/add-a-scheme.md.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from inspect import Parameter, signature

from webhooks.schemes.scheme import BodyVerifier, FetchKeys, Scheme, SignedMessage, UnsignedMessage, fetch_unavailable
from webhooks.schemes.signature_layout import SignatureLayout
from webhooks.wire.errors import BadOptions, UnknownScheme, did_you_mean
from webhooks.wire.signing.timestamps import TOLERANCE

__all__ = ["SCHEMES", "BodyVerifier", "FetchKeys", "Scheme", "SignedMessage", "UnsignedMessage", "get", "verify"]

MAX_UNKNOWN = 10  # options that are named: finding what each resembles takes about 0.1 ms
# Module and class of each scheme, in the order in which the admin offers them.
_CLASSES = (
    "standard.StandardWebhooks",
    "standard.Svix",
    "github.GitHub",
    "header_token.GitLab",
    "meta.Meta",
    "paypal.PayPal",
    "shopify.Shopify",
    "slack.Slack",
    "sns.Sns",
    "square.Square",
    "stripe.Stripe",
    "twilio.Twilio",
    "twitter.Twitter",
    "generic_hmac.GenericHmac",
    "public_key.PublicKeySignature",
    "basic.Basic",
    "header_token.BearerToken",
    "header_token.HeaderToken",
    "json_web_token.JsonWebToken",
    "client_certificate.ClientCertificate",
    "unsigned.Unsigned",
)


def _load(path: str) -> type[Scheme]:
    module, _, name = path.partition(".")
    scheme: type[Scheme] = getattr(import_module(f"{__name__}.{module}"), name)
    return scheme


SCHEMES: Mapping[str, type[Scheme]] = {scheme.name: scheme for scheme in map(_load, _CLASSES)}


def get(name: str, options: Mapping[str, str] | None = None) -> Scheme:
    """Build the scheme of this name. Raises UnknownScheme, or BadOptions for options that it does not take."""
    if name not in SCHEMES:
        raise UnknownScheme(name)
    build: Callable[..., Scheme] = SCHEMES[name]
    try:
        return build(**(options or {}))
    except (TypeError, AttributeError):
        raise BadOptions(_objection(name, options or {})) from None


def option_names(name: str) -> list[str]:
    """Return the names of the options that a scheme takes, with those that it shares with others last."""
    parameters = signature(SCHEMES[name]).parameters.values()
    own = [it.name for it in parameters if it.kind in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)]
    shares = any(it.kind is Parameter.VAR_KEYWORD for it in parameters)
    return [*own, *(signature(SignatureLayout).parameters if shares else ())]


def _objection(name: str, options: Mapping[str, str]) -> str:
    known = option_names(name)
    unknown = sorted(options.keys() - set(known))[:MAX_UNKNOWN]
    if not unknown:
        return "their values must be strings"
    hints = [hint for it in unknown if (hint := did_you_mean(it, known))]
    listed = f"its options are {', '.join(known)}" if known else "it takes none"
    return "; ".join([f"{name} has no option {', '.join(unknown)}", *hints, listed])


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
    """Return if one of the secrets signed this message, else raise SignatureError.

    ``url`` is the address as the sender knows it, for schemes that sign it. ``now`` is Unix seconds. ``tolerance`` is
    in seconds, for schemes that sign a time. ``proxied`` says that the connection comes from a proxy whose header
    about the client certificate is trusted. ``fetch`` gets published keys (see FetchKeys).
    """
    verifier = get(scheme, options).begin_verification(
        secrets, headers, url=url, now=now, tolerance=tolerance, method=method, proxied=proxied, fetch=fetch
    )
    verifier.update(body)
    verifier.finish()
