"""Django's common middleware, with two exceptions for those who are not people."""

from typing import Any

from django.http import HttpRequest
from django.middleware.common import CommonMiddleware

PROBES = ("/healthz", "/readyz", "/metrics")


class Common(CommonMiddleware):
    """A probe may call us by any name: it uses our address, which is in no ALLOWED_HOSTS.

    And nobody is redirected to the final slash of an address for programs: a redirected POST arrives as a GET
    without its body. The API answers 404 and says why instead.
    """

    def process_request(self, request: HttpRequest) -> Any:
        return None if request.path_info in PROBES else super().process_request(request)

    def should_redirect_with_slash(self, request: HttpRequest) -> bool:
        return not request.path_info.startswith(("/api/", "/in/")) and super().should_redirect_with_slash(request)
