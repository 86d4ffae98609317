"""Sign users in by an identity provider (OpenID Connect, code flow with PKCE), with the roles that it says they have.

Off without WAYPOST_OIDC_ISSUER. The provider's addresses come from its discovery document. A user of the provider is a
user here, named by the e-mail address, without a password; a local user with a password is never taken for it.
"""

from collections.abc import Mapping
from typing import Any

import jwt
import requests
import structlog
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.exceptions import SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from mozilla_django_oidc.auth import OIDCAuthenticationBackend
from mozilla_django_oidc.utils import import_from_settings
from mozilla_django_oidc.views import OIDCAuthenticationCallbackView, OIDCAuthenticationRequestView

from subscriptions.tenants.roles import Role
from webhooks.kit.caches.timed_cache import TimedCache

TIMEOUT = 10  # seconds
DISCOVERED = {
    "OIDC_OP_AUTHORIZATION_ENDPOINT": "authorization_endpoint",
    "OIDC_OP_TOKEN_ENDPOINT": "token_endpoint",
    "OIDC_OP_USER_ENDPOINT": "userinfo_endpoint",
    "OIDC_OP_JWKS_ENDPOINT": "jwks_uri",
}
REFUSED = "The identity provider did not sign you in, or gives you no role here."
PREFIX = "waypost-"  # of a role among the groups of a provider that has others too

_log = structlog.get_logger("waypost.sign_in")


def discover(issuer: str) -> dict[str, Any]:
    """Return the discovery document of a provider. Raises RequestException, ValueError."""
    response = requests.get(f"{issuer.rstrip('/')}/.well-known/openid-configuration", timeout=TIMEOUT)
    response.raise_for_status()
    document: dict[str, Any] = response.json()
    if str(document.get("issuer", "")).rstrip("/") != issuer.rstrip("/"):
        raise ValueError(f"the discovery document is of another issuer: {document.get('issuer')!r}")
    return document


documents: TimedCache[str, dict[str, Any]] = TimedCache(discover, max_age=3600.0)


def provider_setting(name: str, *default: Any) -> Any:
    """Return a setting of the library; those of the provider's addresses come from its discovery document."""
    if name in DISCOVERED:
        return documents.get(settings.WAYPOST_OIDC_ISSUER)[DISCOVERED[name]]
    return import_from_settings(name, *default)


def roles_of(claims: Mapping[str, Any]) -> list[str]:
    """Return the roles that the claims name, as ``operator`` or ``waypost-operator``."""
    named = claims.get(settings.WAYPOST_OIDC_ROLES_CLAIM) or []
    names = {str(name).removeprefix(PREFIX) for name in ([named] if isinstance(named, str) else named)}
    return [role for role in Role.values if role in names]


class ProviderBackend(OIDCAuthenticationBackend):  # type: ignore[misc]
    """Make users of those whom the provider has signed in."""

    get_settings = staticmethod(provider_setting)

    def __init__(self) -> None:
        """Ask the provider for nothing: Django makes a backend for each check of a permission."""
        self.UserModel = get_user_model()
        self.OIDC_RP_CLIENT_ID = settings.OIDC_RP_CLIENT_ID
        self.OIDC_RP_CLIENT_SECRET = settings.OIDC_RP_CLIENT_SECRET
        self.OIDC_RP_SIGN_ALGO, self.OIDC_RP_IDP_SIGN_KEY = settings.OIDC_RP_SIGN_ALGO, None

    OIDC_OP_TOKEN_ENDPOINT = property(lambda _: provider_setting("OIDC_OP_TOKEN_ENDPOINT"))
    OIDC_OP_USER_ENDPOINT = property(lambda _: provider_setting("OIDC_OP_USER_ENDPOINT"))
    OIDC_OP_JWKS_ENDPOINT = property(lambda _: provider_setting("OIDC_OP_JWKS_ENDPOINT"))

    def has_perm(self, *_asked: Any, **_about: Any) -> bool:
        """Return False: permissions are those of the groups, which Django's own backend reads."""
        return False

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> Any:
        """Return the user of a callback; None for credentials of another kind. Raises SuspiciousOperation."""
        return super().authenticate(request, **credentials) if "nonce" in credentials else None

    def verify_token(self, token: str, **expected: Any) -> dict[str, Any]:
        """Return the claims of a token that the provider issued for this platform. Raises SuspiciousOperation."""
        claims: dict[str, Any] = super().verify_token(token, **expected)
        audience = claims.get("aud", [])
        issuer = documents.get(settings.WAYPOST_OIDC_ISSUER)["issuer"]
        meant = [audience] if isinstance(audience, str) else audience
        if claims.get("iss") != issuer or self.OIDC_RP_CLIENT_ID not in meant:
            raise SuspiciousOperation("The token was issued by or for another party.")
        return claims

    def verify_claims(self, claims: dict[str, Any]) -> bool:
        """Return whether the user has a confirmed address and a role."""
        return bool(claims.get("email")) and claims.get("email_verified", True) is True and bool(roles_of(claims))

    def filter_users_by_claims(self, claims: dict[str, Any]) -> Any:
        """Return the user with this address that the provider's sign-in made."""
        found = self.UserModel.objects.filter(username=_name_of(claims))
        return [user for user in found if not user.has_usable_password()]

    def create_user(self, claims: dict[str, Any]) -> Any:
        """Create the user. Raises SuspiciousOperation if a local user has the name."""
        name = _name_of(claims)
        if self.UserModel.objects.filter(username=name).exists():
            raise SuspiciousOperation("A user with a password has this name.")
        user = self.UserModel.objects.create_user(name, email=name, is_staff=True)
        return self.update_user(user, claims)

    def update_user(self, user: Any, claims: dict[str, Any]) -> Any:
        """Give the user the roles that the claims name, and no other."""
        user.groups.remove(*Group.objects.filter(name__in=Role.values).exclude(name__in=roles_of(claims)))
        user.groups.add(*Group.objects.filter(name__in=roles_of(claims)))
        return user


def _name_of(claims: Mapping[str, Any]) -> str:
    return str(claims["email"]).lower()[:150]


class Start(OIDCAuthenticationRequestView):  # type: ignore[misc]
    """Send the browser to the provider."""

    get_settings = staticmethod(provider_setting)


class Callback(OIDCAuthenticationCallbackView):  # type: ignore[misc]
    """Sign in the user whom the provider sends back."""

    get_settings = staticmethod(provider_setting)

    def get(self, request: HttpRequest) -> HttpResponse:
        """Sign in, or say that it failed, with the reason in the log."""
        try:
            response: HttpResponse = super().get(request)
        except (requests.RequestException, SuspiciousOperation, jwt.PyJWTError, KeyError, ValueError) as error:
            _log.warning("sign-in by the identity provider failed", reason=str(error))
            return self.login_failure()
        return response

    def login_failure(self) -> HttpResponse:
        """Show the sign-in page with what has failed."""
        messages.error(self.request, REFUSED)
        return redirect("admin:login")


def start(request: HttpRequest) -> HttpResponse:
    """Begin a sign-in; 404 if no provider is set."""
    _require_provider()
    response: HttpResponse = Start.as_view()(request)
    return response


def callback(request: HttpRequest) -> HttpResponse:
    """End a sign-in; 404 if no provider is set."""
    _require_provider()
    response: HttpResponse = Callback.as_view()(request)
    return response


def _require_provider() -> None:
    if not settings.WAYPOST_OIDC_ISSUER:
        raise Http404
