"""Check whether a URL may be saved as an endpoint's, or as that of its token server.

Each connection checks the address again (``webhooks.outgoing``). Only endpoints may be at a request inspector.
"""

from uuid import UUID

from subscriptions.errors import Invalid
from webhooks.outgoing.own_address import is_inspector
from webhooks.outgoing.url_check import check_saved_url
from webhooks.wire.addresses.parsed_url import ForbiddenAddress, ParsedUrl, parse

MAX_URL = 2048  # characters


def checked_endpoint_url(url: str, tenant_id: UUID) -> str:
    """Return the URL of an endpoint as ``checked_url`` does; that of a request inspector of ours is always allowed."""
    target = _parsed(url)
    return target.url if target is not None and is_inspector(target) else checked_url(url, tenant_id)


def _parsed(url: str) -> ParsedUrl | None:
    try:
        return parse(url, allow_http=True)
    except ForbiddenAddress:
        return None


def checked_url(url: str, tenant_id: UUID) -> str:
    """Return the URL in the one form in which it is stored, shown and sent: see ``check_saved_url``.

    Raises Invalid for ``url`` unless an endpoint may have it; resolves its name on behalf of the tenant. Suspends the
    request during the lookup: call it outside a transaction. Raises TooManyLookups.
    """
    if len(url) > MAX_URL:
        raise Invalid("url", f"Must be at most {MAX_URL} characters.")
    try:
        sent = check_saved_url(url, tenant_id)
    except ForbiddenAddress as error:
        raise Invalid("url", str(error)) from None
    if len(sent) > MAX_URL:
        raise Invalid("url", f"Must be at most {MAX_URL} characters once it is percent-encoded.")
    return sent
