"""Check a URL when it is saved, for all that the platform will call: endpoints, token servers, key servers.

Each call and each connection checks the address again. The name is resolved here so that a mistake is reported when it
is saved, not at the first call. A public name without an address is accepted: its DNS record may follow. A name that
is only valid inside the operator's networks must resolve to an allowed network now. Given up: if the system's resolver
knows internal hosts under public names, an error reveals that there is one.
"""

from collections.abc import Hashable

from django.conf import settings

from webhooks.kit.suspend import wait_for
from webhooks.outgoing import resolver
from webhooks.outgoing.own_address import is_forbidden_own_address
from webhooks.wire.addresses.guard import check
from webhooks.wire.addresses.parsed_url import ForbiddenAddress, parse


def check_saved_url(url: str, share: Hashable) -> str:
    """Return the URL in the form in which it is sent: the host after IDNA, the path percent-encoded.

    Raises ForbiddenAddress unless it may be called; resolves its name on behalf of a tenant (`share`).

    The request that calls this is suspended during the lookup (`webhooks.kit.suspend`), so no transaction should be
    open. Raises TooManyLookups. The message is the same for every reason that depends on where the URL leads.
    """
    parsed = parse(url, allow_http=True)
    if is_forbidden_own_address(parsed):
        raise ForbiddenAddress("address", "Must not be Waypost's own address.")
    try:
        check(
            parsed.url,
            resolve=lambda host: list(wait_for(lambda: resolver.resolve(host, share)).addresses),
            allow_http=settings.WAYPOST_ALLOW_HTTP,
            allow_networks=settings.WAYPOST_ALLOW_NETWORKS,
        )
    except ForbiddenAddress as error:
        if error.reason != "unresolved":
            raise
    return parsed.url
