"""Tell browsers what the pages of the platform may load: files of the platform, and nothing that stands in a page.

A page that has a policy of its own keeps it. The pages of the admin need one thing more: Alpine, with which unfold is
made, compiles the expressions in its attributes (``unsafe-eval``). Scripts in a page stay forbidden there too.
"""

from collections.abc import Callable, Mapping

from django.http import HttpRequest, HttpResponse

HEADER = "Content-Security-Policy"
POLICY: Mapping[str, str] = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "style-src-attr": "'unsafe-inline'",  # widths of bars; a style attribute loads and runs nothing
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
HTMX_STYLE = "'sha256-bsV5JivYxvGywDAZ22EZJKBFip65Ng9xoJVLbBg7bdo='"  # of the one that htmx adds for its indicators
ADMIN = {**POLICY, "script-src": "'self' 'unsafe-eval'", "style-src": f"'self' {HTMX_STYLE}"}


class ContentPolicy:
    """Middleware that sets the policy of each HTML page that has none."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Respond, with the policy."""
        response = self.get_response(request)
        if response.get("Content-Type", "").startswith("text/html") and HEADER not in response:
            policy = ADMIN if request.path_info.startswith("/admin/") else POLICY
            response.headers[HEADER] = "; ".join(f"{name} {sources}" for name, sources in policy.items())
        return response
