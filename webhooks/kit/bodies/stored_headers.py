"""Choose the headers of a message to store: without the values of credentials, and bounded in size."""

import re
from collections.abc import Collection, Mapping

from webhooks.kit.caches.short_text_cache import short_text_cache
from webhooks.wire.bodies.storable_text import storable

# A header whose name contains one of these words holds a credential.
CREDENTIAL_NAMES = re.compile("authorization|cookie|token|secret|password|api-?key|credential")
MAX_HEADER_LENGTH = 2048  # characters stored of the name of a header, and of its value
MAX_HEADERS_LENGTH = 16 * 1024  # characters stored of the names and values of all headers of a message


def redact_credentials(headers: Mapping[str, str], credential_headers: Collection[str] = ()) -> dict[str, str]:
    """Return the headers to store: without the values of credentials, and at most MAX_HEADERS_LENGTH characters.

    ``credential_headers``: names of headers to redact beside those that CREDENTIAL_NAMES finds.
    """
    kept: dict[str, str] = {}
    room = MAX_HEADERS_LENGTH
    for name, value in headers.items():
        hidden = name in credential_headers or _is_credential(name)
        kept_name = storable(name[:MAX_HEADER_LENGTH])
        kept_value = "[removed]" if hidden else storable(value[:MAX_HEADER_LENGTH])
        room -= len(kept_name) + len(kept_value)
        if room < 0:
            break
        kept[kept_name] = kept_value
    return kept


@short_text_cache(1024)
def _is_credential(name: str) -> bool:
    return CREDENTIAL_NAMES.search(name) is not None
