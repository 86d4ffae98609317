"""Authenticate native requests by API key: by the keys this process has seen lately, else by a query on a thread.

The rules, errors and headers are those of ``authentication``.
"""

from collections.abc import Hashable

from rest_framework.exceptions import APIException, NotAuthenticated

from subscriptions.api.authentication import InsufficientRole, InsufficientScope, bearer_challenge, invalid_key
from subscriptions.models import ApiKey
from subscriptions.tenants.keys import find_key, peek_key, share_of
from subscriptions.tenants.roles import allows
from webhooks.kit.fair.shared_queries import SharedQueries
from webhooks.kit.native_request import NativeRequest

_queries: SharedQueries[str, ApiKey | None] = SharedQueries(find_key)


async def authenticate_natively(request: NativeRequest, scope: str, permission: str) -> ApiKey:
    """Return the valid key of a request. ``permission``: what a key with a role needs.

    Raises NotAuthenticated, AuthenticationFailed, InsufficientRole, InsufficientScope.
    """
    authorization = request.headers.get("authorization", "")
    scheme, _, text = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise _challenged(NotAuthenticated(), authorization)
    given = text.strip()
    key = await _find(given, request.share)
    if key is None:
        raise _challenged(invalid_key(given), authorization)
    if key.role is not None and not allows(key.role, permission):
        raise InsufficientRole(permission, key.role)
    if scope not in key.scopes:
        raise InsufficientScope(scope, key.scopes)
    return key


def _challenged(error: APIException, authorization: str) -> APIException:
    error.auth_header = bearer_challenge(authorization)  # type: ignore[attr-defined]  # as REST framework sets it
    return error


async def _find(text: str, share: Hashable) -> ApiKey | None:
    key, is_recent = peek_key(text)
    if is_recent:
        return key
    return await _queries.run(text, share if key is None else share_of(key))
