"""Who is asking: a bearer key becomes a Principal, and a view names the scope each of its methods needs.

A key that is unknown, revoked or expired, or whose tenant is gone, is one and the same 401: it tells nothing.
Scopes stand each for itself: a key that shall change and read has both.
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

__all__ = ["ApiKeyAuthentication", "HasScope", "OperatorWrites", "Principal", "principal"]


@dataclass(frozen=True, slots=True)
class Principal:
    """Whose request it is: `request.auth` of every request that came with a key."""

    key_id: UUID
    tenant_id: UUID | None
    """None: an operator, who may name any tenant (see `tenancy`)."""
    scopes: frozenset[str]
    label: str
    """For audit rows and logs: the key's first characters and its name."""
    tenant: Tenant | None = field(default=None, repr=False, compare=False)
    """The tenant's row as it was at most a second ago."""

    @property
    def is_operator(self) -> bool:
        return self.tenant_id is None


class ApiKeyAuthentication(BaseAuthentication):
    """``Authorization: Bearer wp_...`` (RFC 6750, section 2.1; keys in the query or the body are not looked for)."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Principal] | None:
        """None without a bearer key; raises AuthenticationFailed for one that opens nothing."""
        scheme, _, text = get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        key = keys.find_key(text.strip().decode("latin-1"))
        if key is None:
            raise AuthenticationFailed("This API key is not valid.")
        return AnonymousUser(), _seen_as(key)

    def authenticate_header(self, request: Request) -> str:
        """The challenge of a 401 (RFC 6750, section 3)."""
        given = get_authorization_header(request).lower().startswith(b"bearer ")
        return 'Bearer realm="waypost"' + (', error="invalid_token"' if given else "")


def principal(request: Request) -> Principal:
    """Whose request it is. Raises NotAuthenticated for one without a key, should a view have let it in."""
    if not isinstance(request.auth, Principal):
        raise NotAuthenticated
    return request.auth


def _seen_as(key: ApiKey) -> Principal:
    return Principal(key.id, key.tenant_id, frozenset(key.scopes), str(key), key.tenant)


class HasScope(BasePermission):
    """The key holds the scope that the view names for this method in ``required_scopes: dict[str, str]``.

    For methods it does not name: `read` for the safe ones, `manage` for the others.
    """

    def has_permission(self, request: Request, view: object) -> bool:
        return _needed(request.method or "", view) in principal(request).scopes


class OperatorWrites(HasScope):
    """As HasScope; and whatever is not a safe method is for operators."""

    def has_permission(self, request: Request, view: object) -> bool:
        allowed = super().has_permission(request, view)
        return allowed and (request.method in SAFE_METHODS or principal(request).is_operator)


def _needed(method: str, view: object) -> str:
    scopes: dict[str, str] = getattr(view, "required_scopes", {})
    return scopes.get(method) or (Scope.READ if method in SAFE_METHODS else Scope.MANAGE)
