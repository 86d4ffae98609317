"""Authenticate requests by bearer API key, and check the scope and the role that a view requires for each method.

A key that is unknown, revoked, or of a deleted tenant gets the same 401, which reveals nothing; for an expired key it
says when that was. Scopes do not include each other: a key that changes and reads needs both. A key with a role also
needs the permission that the admin asks its users for.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated, PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from subscriptions.models import ApiKey, Scope, Tenant
from subscriptions.tenants import keys
from subscriptions.tenants.roles import allows

INVALID_KEY = "This API key is not valid."
REALM = 'Bearer realm="waypost"'
ACTIONS = {
    "GET": "view",
    "POST": "add",
    "DELETE": "delete",
}  # methods: what they do with a row, unless they change it
PRINCIPAL = "waypost_principal"  # attribute of a request that is made within this process


class InsufficientScope(PermissionDenied):
    """403: the key lacks the scope that the operation requires, which detail, member and challenge name.

    The challenge is that of RFC 6750, section 3.1.
    """

    default_code = "insufficient_scope"

    def __init__(self, scope: str, scopes: Iterable[str]) -> None:
        held = ", ".join(sorted(scopes))
        super().__init__(f"This needs an API key with the scope {scope}; this key has: {held}.")
        self.members = {"scope": str(scope)}
        self.auth_header = f'{REALM}, error="insufficient_scope", scope="{scope}"'


class InsufficientRole(PermissionDenied):
    """403: the key's role does not include the permission that the operation requires, which detail and member name."""

    default_code = "insufficient_role"

    def __init__(self, permission: str, role: str) -> None:
        super().__init__(f"This needs the permission {permission}; the role of this key, {role}, does not include it.")
        self.members = {"permission": permission, "role": role}
        self.auth_header = f'{REALM}, error="insufficient_scope"'


class PlatformKeyRequired(PermissionDenied):
    """403: only a platform key may do this."""

    default_detail = "This needs a platform key; this key belongs to a tenant."
    default_code = "platform_key_required"


class EndpointKeyRefused(PermissionDenied):
    """403: the key is limited to one endpoint, and this does not belong to one."""

    default_detail = "This API key is limited to one endpoint; this needs a key of the tenant."
    default_code = "endpoint_key_refused"


@dataclass(frozen=True, slots=True)
class Principal:
    """Identify the caller: ``request.auth`` of every request with a valid key."""

    key_id: UUID
    tenant_id: UUID | None
    """None for a platform key, which may name any tenant (see tenancy)."""
    scopes: frozenset[str]
    label: str
    """First characters and name of the key, or the user of a portal session, for audit rows and logs."""
    tenant: Tenant | None = field(default=None, repr=False, compare=False)
    """Row of the tenant, at most a second old."""
    endpoint_id: UUID | None = None
    """The one endpoint that the key is limited to; None: all of the tenant."""
    actor_type: str = "key"
    """Kind of the caller in the audit: a key, or a user of the portal."""
    role: str | None = None
    """Role of the key; None: its scopes alone decide."""
    hides_payloads: bool = False
    """Whether the caller sees no payloads although it has no role: a session of the portal without the capability."""

    @property
    def is_platform(self) -> bool:
        return self.tenant_id is None

    def may(self, permission: str) -> bool:
        """Return whether the caller's role includes a permission; without a role every one."""
        if self.hides_payloads and permission.endswith(".view_payload"):
            return False
        return self.role is None or allows(self.role, permission)


class ApiKeyAuthentication(BaseAuthentication):
    """Authenticate by ``Authorization: Bearer wp_...`` (RFC 6750, section 2.1); keys in query or body are ignored.

    A page that calls the API within this process gives its principal to the request (``act_as``).
    """

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Principal] | None:
        """Return the principal; None without a bearer key. Raises AuthenticationFailed for an invalid key."""
        given = getattr(getattr(request, "_request", request), PRINCIPAL, None)
        if given is not None:
            return AnonymousUser(), given
        scheme, _, text = get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        given = text.strip().decode("latin-1")
        key = keys.find_key(given)
        if key is None:
            raise invalid_key(given)
        return AnonymousUser(), principal_of(key)

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401."""
        return bearer_challenge(get_authorization_header(request).decode("latin-1"))


def act_as(request: HttpRequest, caller: Principal) -> None:
    """Let a request that is made within this process act as this principal; nothing that is received can set it."""
    setattr(request, PRINCIPAL, caller)


def invalid_key(text: str) -> AuthenticationFailed:
    """Return the error for a key that ``find_key`` has not found valid; that of an expired key says when it expired."""
    expired_at = keys.expiry_of(text)
    if expired_at is None:
        return AuthenticationFailed(INVALID_KEY)
    return AuthenticationFailed(f"This API key expired at {expired_at:%Y-%m-%dT%H:%M:%SZ}.")


def bearer_challenge(authorization: str) -> str:
    """Return the ``WWW-Authenticate`` of a 401 (RFC 6750, section 3) to a request with this ``Authorization``."""
    given = authorization.lower().startswith("bearer ")
    return REALM + (', error="invalid_token"' if given else "")


def principal(request: Request) -> Principal:
    """Return the principal of a request. Raises NotAuthenticated for a request without a key."""
    if not isinstance(request.auth, Principal):
        raise NotAuthenticated
    return request.auth


def require_permission(request: Request, permission: str) -> None:
    """Check a permission that only this use of an operation needs. Raises InsufficientRole."""
    caller = principal(request)
    if not caller.may(permission):
        raise InsufficientRole(permission, caller.role or caller.actor_type)


def principal_of(key: ApiKey) -> Principal:
    """Return the principal of a valid key."""
    return Principal(key.id, key.tenant_id, frozenset(key.scopes), str(key), key.tenant, key.endpoint_id, role=key.role)


class HasScope(BasePermission):
    """Require the scope that the view's ``required_scopes`` names for the method.

    By default: ``read`` for safe methods, ``manage`` for all others. A key with a role also needs the permission that
    ``required_permissions`` names, by default to view, add, change or delete rows of the view's table. A key that is
    limited to an endpoint may use only views with ``endpoint_path``, and read those with ``endpoint_keys_may_read``.
    """

    def has_permission(self, request: Request, view: object) -> bool:
        """Return True. Raises InsufficientScope, InsufficientRole, EndpointKeyRefused."""
        caller, scope = principal(request), _required_scope(request.method or "", view)
        if caller.role is not None and not caller.may(permission := required_permission(request.method or "", view)):
            raise InsufficientRole(permission, caller.role)
        if scope not in caller.scopes:
            raise InsufficientScope(scope, caller.scopes)
        if caller.endpoint_id is not None and not _is_open_to_endpoint_keys(request.method or "", view):
            raise EndpointKeyRefused
        return True


class PlatformOnly(HasScope):
    """Require the scope as HasScope does, and a platform key."""

    def has_permission(self, request: Request, view: object) -> bool:
        """Return True. Raises as HasScope, and PlatformKeyRequired."""
        super().has_permission(request, view)
        if not principal(request).is_platform:
            raise PlatformKeyRequired
        return True


class PlatformWrites(HasScope):
    """Require the scope as HasScope does, and a platform key for methods that are not safe."""

    def has_permission(self, request: Request, view: object) -> bool:
        """Return True. Raises as HasScope, and PlatformKeyRequired."""
        super().has_permission(request, view)
        if request.method not in SAFE_METHODS and not principal(request).is_platform:
            raise PlatformKeyRequired
        return True


def _is_open_to_endpoint_keys(method: str, view: object) -> bool:
    """Return whether a key that is limited to an endpoint may use the view with this method."""
    may_read = method in SAFE_METHODS and getattr(view, "endpoint_keys_may_read", False)
    return may_read or getattr(view, "endpoint_path", None) is not None


def required_permission(method: str, view: object) -> str:
    """Return the permission that a key with a role needs for this method of a view."""
    named: dict[str, str] = getattr(view, "required_permissions", {})
    method = "GET" if method in SAFE_METHODS else method
    if method in named:
        return named[method]
    rows: QuerySet[Model] = view.queryset  # type: ignore[attr-defined]  # a view without rows names its permissions
    action = "view" if _required_scope(method, view) == Scope.READ else ACTIONS.get(method, "change")
    return f"{rows.model._meta.app_label}.{action}_{rows.model._meta.model_name}"


def _required_scope(method: str, view: object) -> str:
    scopes: dict[str, str] = getattr(view, "required_scopes", {})
    return scopes.get(method) or (Scope.READ if method in SAFE_METHODS else Scope.MANAGE)
