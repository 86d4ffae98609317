"""Authenticate native requests by API key: by the keys this process has seen lately, else by a query on a thread.

The rules, errors and headers are those of ``authentication``.
"""

import asyncio
from collections.abc import Hashable
from functools import partial

from rest_framework.exceptions import APIException, AuthenticationFailed, NotAuthenticated, PermissionDenied

from subscriptions.api.authentication import INVALID_KEY, bearer_challenge
from subscriptions.models import ApiKey
from subscriptions.tenants.keys import find_key, peek_key
from webhooks.kit.fair.threads import request_threads
from webhooks.kit.native_request import NativeRequest

_lookups: dict[str, "asyncio.Task[ApiKey | None]"] = {}  # queries in progress: requests with one key share one


async def authenticate_natively(request: NativeRequest, scope: str) -> ApiKey:
    """Return the valid key of a request. Raises NotAuthenticated, AuthenticationFailed, PermissionDenied."""
    authorization = request.headers.get("authorization", "")
    scheme, _, text = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise _challenged(NotAuthenticated(), authorization)
    key = await _find(text.strip(), request.share)
    if key is None:
        raise _challenged(AuthenticationFailed(INVALID_KEY), authorization)
    if scope not in key.scopes:
        raise PermissionDenied
    return key


def _challenged(error: APIException, authorization: str) -> APIException:
    error.auth_header = bearer_challenge(authorization)  # type: ignore[attr-defined]  # as REST framework sets it
    return error


async def _find(text: str, share: Hashable) -> ApiKey | None:
    key, is_recent = peek_key(text)
    if is_recent:
        return key
    if text not in _lookups:
        whose = share if key is None else ("tenant", key.tenant_id or key.pk)
        task = asyncio.ensure_future(request_threads().run(whose, partial(find_key, text)))
        _lookups[text] = task
        task.add_done_callback(lambda _: _lookups.pop(text, None))
    return await asyncio.shield(_lookups[text])
