"""Decide which addresses outgoing requests may reach: URL parsing, public networks, allowed ports.

check(url, resolve=...)    raises ForbiddenAddress unless every address of the URL may be called
"""

from webhooks.wire.addresses.guard import check
from webhooks.wire.addresses.parsed_url import ForbiddenAddress

__all__ = ["ForbiddenAddress", "check"]
