"""Tell whether the headers of a request about its client come from a proxy that the operator trusts.

Two things are needed. The connection comes from WAYPOST_TRUSTED_PROXIES. And the server drops header names with
underscores: WSGI has one variable for ``X-Forwarded-Client-Cert`` and ``X_Forwarded_Client_Cert`` (PEP 3333), so where
the server keeps both, a client forges the header past a proxy that overwrites the one with hyphens.

Waypost's own server drops them and says so in the environment of the request; Django does it under ASGI. Of any other
server only the operator knows, who sets WAYPOST_DROPS_UNDERSCORES; without it no client certificate is accepted.
"""

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest

from webhooks.wire.addresses.networks import compile_networks

OWN_SERVER = "waypost.is_proxied"  # variable of our server, which no header can set


def is_proxied(request: HttpRequest) -> bool:
    """Return whether a trusted proxy passed the request on, through a server that drops names with underscores."""
    found = request.META.get(OWN_SERVER)
    if found is not None:
        return bool(found)
    drops_underscores = settings.WAYPOST_DROPS_UNDERSCORES or isinstance(request, ASGIRequest)
    address = str(request.META.get("REMOTE_ADDR", ""))
    return drops_underscores and compile_networks(tuple(settings.WAYPOST_TRUSTED_PROXIES)).contains(address)
