"""Check whether a URL may be saved as an endpoint's. Each connection checks the address again (webhooks.outgoing).

The name is resolved here so that a mistake is reported when it is saved, not at the first delivery. That may take
LOOKUP_SECONDS, so no transaction should be open. A public name without an address is accepted: its DNS record may
follow, and a delivery is checked by itself. A name that is only valid inside the operator's networks must resolve to
an allowed network now. Given up: if the system's resolver knows internal hosts under public names, an error reveals
that there is one.
"""

from functools import partial

from django.conf import settings

from subscriptions.endpoints.http.origins import is_forbidden_own_address
from subscriptions.errors import Invalid
from webhooks.outgoing import guarded_call
from webhooks.wire.addresses.guard import check
from webhooks.wire.addresses.parsed_url import ForbiddenAddress

MAX_URL = 2048  # characters
LOOKUP_SECONDS = 3.0


def check_url(url: str) -> None:
    """Raise Invalid for ``url`` unless an endpoint may have it. Takes up to LOOKUP_SECONDS.

    The message is the same for every reason that depends on where the URL leads.
    """
    if len(url) > MAX_URL:
        raise Invalid("url", f"Must be at most {MAX_URL} characters.")
    if is_forbidden_own_address(url):
        raise Invalid("url", "Must not be Waypost's own address.")
    try:
        check(
            url,
            resolve=partial(guarded_call.resolve_within, seconds=LOOKUP_SECONDS),
            allow_http=settings.WAYPOST_ALLOW_HTTP,
            allow_networks=settings.WAYPOST_ALLOW_NETWORKS,
        )
    except ForbiddenAddress as error:
        if error.reason != "unresolved":
            raise Invalid("url", str(error)) from None
