"""Make from a source's row what its kind connects with; credentials are encrypted in the row."""

from collections.abc import Mapping

import orjson

from webhooks.kit.encryption import decrypt, encrypt
from webhooks.models import Source
from webhooks.sources.kinds.kind import Connection


def connection_of(source: Source) -> Connection:
    """Return what the kind of a source connects with."""
    return Connection(source.public_id, source.tenant_id or source.id, source.settings, credentials_of(source))


def credentials_of(source: Source) -> dict[str, str]:
    """Return the decrypted credentials of a source."""
    stored = source.credentials
    found: dict[str, str] = {} if stored is None else orjson.loads(decrypt(bytes(stored)))
    return found


def encrypted(credentials: Mapping[str, str]) -> bytes | None:
    """Return credentials as they are stored; None if there are none."""
    return encrypt(orjson.dumps(credentials).decode()) if credentials else None
