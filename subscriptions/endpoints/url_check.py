"""May this URL be saved as an endpoint's? Asked on every write; whoever connects asks again, about the socket.

The name is looked up here so that a mistake is said at once and not at the first delivery. That takes as long
as it takes, so it has its time, and stands outside any transaction. A public name without an address is saved:
its DNS record may follow, our resolver may have a bad moment, and a delivery is checked by itself. A name that
only means something inside the operator's networks has to lead there now. What we give up: where the system's
resolver knows internal hosts under public names, a refusal tells that there is one.
"""

from functools import partial

from django.conf import settings

from subscriptions.endpoints.origins import is_own_address
from subscriptions.errors import Invalid
from webhooks.outgoing import guarded_call
from webhooks.wire.addresses.guard import ForbiddenAddress, check

__all__ = ["MAX_URL", "check_url"]

MAX_URL = 2048  # characters
LOOKUP_SECONDS = 3.0


def check_url(url: str) -> None:
    """Raise Refused naming `url` unless an endpoint may have it; the text is the same for all that depends on
    where the URL leads. Takes up to LOOKUP_SECONDS."""
    if len(url) > MAX_URL:
        raise Invalid("url", f"Longer than {MAX_URL} characters.")
    if is_own_address(url):
        raise Invalid("url", "This is our own address.")
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
