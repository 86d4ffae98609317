"""Check, try and write the settings of endpoints of every kind but ``http``; ``endpoints`` calls this by ``kinds``."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from django.db.models.functions import Now

from subscriptions.endpoints.destinations.kind import Connection, DestinationUnavailable, InvalidSettings, Kind
from subscriptions.endpoints.destinations.registry import checked_connection
from subscriptions.errors import InvalidParts, StateConflict
from subscriptions.models import DestinationSettings, Endpoint
from webhooks.kit.encryption import CannotDecrypt, decrypt, encrypt
from webhooks.kit.kinds.setting import masked
from webhooks.outgoing.blocking_calls import CallTimeout, run_blocking

SKIP = 'Give "skip_test": true to store the settings all the same.'
TEST_SECONDS = 6.0  # of a test; kinds connect within five


@dataclass(frozen=True, slots=True)
class DestinationRules:
    """Write what only endpoints of one of these kinds have."""

    kind: str
    FIELDS: Collection[str] = frozenset({"settings", "credentials", "skip_test"})

    def checked(self, fields: Mapping[str, Any], tenant_id: UUID, endpoint: Endpoint | None = None) -> dict[str, Any]:
        """Return settings and credentials as they are stored, checked together, and tried if they changed.

        Without ``settings`` or ``credentials`` the stored ones stay; a credential that is left out stays, null removes
        it. ``skip_test``: connect to nothing. Raises InvalidParts with all faults, LimitReached if the tenant has too
        many tests in progress. Suspends the request during the test.
        """
        if endpoint is not None and not fields.keys() & {"settings", "credentials"}:
            return {}
        row = None if endpoint is None else endpoint.destination
        stored = Connection("", tenant_id, {}) if row is None else _stored(row)
        settings = fields.get("settings", stored.settings)
        credentials = {**stored.credentials, **(fields.get("credentials") or {})}
        given = {name: value for name, value in credentials.items() if value is not None}
        try:
            kind, connection = checked_connection(self.kind, stored, settings, given)
            now = (connection.settings, connection.credentials)
            if now != (stored.settings, stored.credentials) and not fields.get("skip_test"):
                run_test(kind, connection)
        except InvalidSettings as error:
            raise InvalidParts(error.problems) from None
        except DestinationUnavailable as error:
            raise InvalidParts({error.setting or "settings": f"{str(error).rstrip('.')}. {SKIP}"}) from None
        return {"settings": connection.settings, "credentials": connection.credentials, "kind": kind}

    def assign(self, endpoint: Endpoint, fields: Mapping[str, Any]) -> DestinationSettings | None:
        """Return the endpoint's settings, new or stored, with these fields set in memory; None without a change."""
        if not fields:
            return None
        row = DestinationSettings(endpoint=endpoint) if endpoint._state.adding else endpoint.destination
        settings, credentials, kind = dict(fields["settings"]), dict(fields["credentials"]), fields["kind"]
        if not row._state.adding:
            if (row.settings, decrypted(row)) == (settings, credentials):
                return row
            row.settings_changed_at = Now()
        row.settings, row.address = settings, kind.address(settings)
        row.ciphertext = encrypt(orjson.dumps(credentials).decode()) if credentials else None
        return row

    def save(self, row: DestinationSettings | None) -> None:
        """Write the settings, after their endpoint and in the same transaction."""
        if row is not None:
            row.save(force_insert=row._state.adding)


def run_test(kind: Kind, connection: Connection) -> str:
    """Connect and return what was found. Raises DestinationUnavailable, LimitReached. Suspends the request."""
    try:
        return run_blocking(lambda: _tested(kind, connection), connection.share, seconds=TEST_SECONDS)
    except CallTimeout:
        text = f"No response within {TEST_SECONDS:g} s; check host and port, and whether this port expects TLS."
        raise DestinationUnavailable(text) from None


def _tested(kind: Kind, connection: Connection) -> str:
    try:
        return kind.test(connection)
    except InvalidSettings:
        raise
    except DestinationUnavailable as error:
        raise DestinationUnavailable(masked(str(error), connection.credentials), error.setting) from error
    except Exception as error:  # of the library of the kind: its text may repeat credentials
        raise DestinationUnavailable(f"The test failed: {type(error).__name__}.") from error


def connection_of(row: DestinationSettings) -> Connection:
    """Return what the kind of an endpoint connects with. Raises CannotDecrypt."""
    endpoint = row.endpoint
    credentials = orjson.loads(decrypt(bytes(row.ciphertext))) if row.ciphertext else {}
    return Connection(endpoint.public_id, endpoint.tenant_id, row.settings, credentials)


def decrypted(row: DestinationSettings) -> Mapping[str, str] | None:
    """Return the credentials; None if they cannot be decrypted."""
    try:
        return connection_of(row).credentials
    except CannotDecrypt:
        return None


def _stored(row: DestinationSettings) -> Connection:
    try:
        return connection_of(row)
    except CannotDecrypt:
        raise StateConflict("credentials", "Cannot be decrypted; delete the endpoint and create it again.") from None
