"""Authenticate requests by bearer API key, and check the scope that a view requires for each method.

A key that is unknown, revoked, expired, or of a deleted tenant gets the same 401, which reveals nothing. Scopes do not
include each other: a key that changes and reads needs both.
"""

from dataclasses import dataclass, field
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from subscriptions.models import ApiKey, Scope, Tenant
from subscriptions.tenants import keys

INVALID_KEY = "This API key is not valid."


@dataclass(frozen=True, slots=True)
class Principal:
    """Identify the caller: ``request.auth`` of every request with a valid key."""

    key_id: UUID
    tenant_id: UUID | None
    """None for an operator, who may name any tenant (see tenancy)."""
    scopes: frozenset[str]
    label: str
    """First characters and name of the key, for audit rows and logs."""
    tenant: Tenant | None = field(default=None, repr=False, compare=False)
    """Row of the tenant, at most a second old."""

    @property
    def is_operator(self) -> bool:
        return self.tenant_id is None


class ApiKeyAuthentication(BaseAuthentication):
    """Authenticate by ``Authorization: Bearer wp_...`` (RFC 6750, section 2.1); keys in query or body are ignored."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Principal] | None:
        """Return the principal; None without a bearer key. Raises AuthenticationFailed for an invalid key."""
        scheme, _, text = get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        key = keys.find_key(text.strip().decode("latin-1"))
        if key is None:
            raise AuthenticationFailed(INVALID_KEY)
        return AnonymousUser(), _principal_of(key)

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401."""
        return bearer_challenge(get_authorization_header(request).decode("latin-1"))


def bearer_challenge(authorization: str) -> str:
    """Return the ``WWW-Authenticate`` of a 401 (RFC 6750, section 3) to a request with this ``Authorization``."""
    given = authorization.lower().startswith("bearer ")
    return 'Bearer realm="waypost"' + (', error="invalid_token"' if given else "")


def principal(request: Request) -> Principal:
    """Return the principal of a request. Raises NotAuthenticated for a request without a key."""
    if not isinstance(request.auth, Principal):
        raise NotAuthenticated
    return request.auth


def _principal_of(key: ApiKey) -> Principal:
    return Principal(key.id, key.tenant_id, frozenset(key.scopes), str(key), key.tenant)


class HasScope(BasePermission):
    """Require the scope that the view's ``required_scopes`` names for the method.

    By default: ``read`` for safe methods, ``manage`` for all others.
    """

    def has_permission(self, request: Request, view: object) -> bool:
        return _required_scope(request.method or "", view) in principal(request).scopes


class OperatorOnly(HasScope):
    """Require the scope as HasScope does, and an operator's key."""

    def has_permission(self, request: Request, view: object) -> bool:
        return super().has_permission(request, view) and principal(request).is_operator


class OperatorWrites(HasScope):
    """Require the scope as HasScope does, and an operator's key for methods that are not safe."""

    def has_permission(self, request: Request, view: object) -> bool:
        allowed = super().has_permission(request, view)
        return allowed and (request.method in SAFE_METHODS or principal(request).is_operator)


def _required_scope(method: str, view: object) -> str:
    scopes: dict[str, str] = getattr(view, "required_scopes", {})
    return scopes.get(method) or (Scope.READ if method in SAFE_METHODS else Scope.MANAGE)
