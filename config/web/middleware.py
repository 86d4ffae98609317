"""Django's middleware, with exceptions for those who are not people.

What Django keeps for people (their session, who they are, what they are told) is not looked at for programs: they come
with a key in every request, and it would be a tenth of the work of taking an event.
"""

from collections.abc import Callable
from typing import Any

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.middleware.common import CommonMiddleware

PROBES = ("/healthz", "/readyz", "/metrics")
PROGRAMS = ("/api/", "/in/")


class Common(CommonMiddleware):
    """A probe may call us by any name: it uses our address, which is in no ALLOWED_HOSTS.

    And nobody is redirected to the final slash of an address for programs: a redirected POST arrives as a GET
    without its body. The API answers 404 and says why instead.
    """

    def process_request(self, request: HttpRequest) -> Any:
        return None if request.path_info in PROBES else super().process_request(request)

    def should_redirect_with_slash(self, request: HttpRequest) -> bool:
        return not request.path_info.startswith(PROGRAMS) and super().should_redirect_with_slash(request)


class ForPeople:
    """Steps aside at the addresses for programs."""

    get_response: Callable[[HttpRequest], HttpResponse]

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith(PROGRAMS):
            return self.get_response(request)
        answer: HttpResponse = super().__call__(request)  # type: ignore[misc]
        return answer


class Sessions(ForPeople, SessionMiddleware):
    pass


class Authentication(ForPeople, AuthenticationMiddleware):
    pass


class Messages(ForPeople, MessageMiddleware):
    pass
