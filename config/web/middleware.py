"""Skip session, auth and message middleware where requests carry a key, a signature or an unguessable address.

For such a request that middleware would be a tenth of the work of accepting an event.
"""

from collections.abc import Callable
from typing import Any

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.middleware.common import CommonMiddleware
from django.utils.deprecation import MiddlewareMixin
from django_otp.middleware import OTPMiddleware

PROBES = ("/healthz", "/readyz", "/metrics", "/status/")
API = ("/api/", "/in/", "/inspect/")


class Common(CommonMiddleware):
    """Accept any Host header on probes, and serve an API call with and without the last slash of its path.

    Probes use the machine's address, which is not in ALLOWED_HOSTS. An API call is not redirected to add the slash, as
    a page is: a redirected POST would arrive as a GET without its body.
    """

    def process_request(self, request: HttpRequest) -> Any:
        """Add the last slash under /api/; check the host, except on probes."""
        if request.path_info.startswith("/api/") and not request.path_info.endswith("/"):
            request.path_info += "/"
            request.path += "/"
        return None if request.path_info in PROBES else super().process_request(request)

    def should_redirect_with_slash(self, request: HttpRequest) -> bool:
        """Return whether to redirect to the same path with a slash; not where both are routed."""
        return not request.path_info.startswith(API) and super().should_redirect_with_slash(request)


class _SkipsApi(MiddlewareMixin):
    def __call__(self, request: HttpRequest) -> Any:
        return self.get_response(request) if request.path_info.startswith(API) else super().__call__(request)


class Sessions(_SkipsApi, SessionMiddleware):
    """Django's sessions, for pages only."""


class Authentication(_SkipsApi, AuthenticationMiddleware):
    """Django's logged-in user, for pages only."""


class SecondFactor:
    """Whether the user has signed in with a second factor, for pages only."""

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self._pages = OTPMiddleware(get_response)

    def __call__(self, request: HttpRequest) -> Any:
        """Respond."""
        return (self.get_response if request.path_info.startswith(API) else self._pages)(request)


class Messages(_SkipsApi, MessageMiddleware):
    """Django's one-time messages, for pages only."""
