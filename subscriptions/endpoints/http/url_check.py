"""Check whether a URL may be saved as an endpoint's, or as that of its token server.

Each connection checks the address again (``webhooks.outgoing``).
"""

from uuid import UUID

from subscriptions.errors import Invalid
from webhooks.outgoing.url_check import check_saved_url
from webhooks.wire.addresses.parsed_url import ForbiddenAddress

MAX_URL = 2048  # characters


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
