"""Check and write the settings of endpoints of the kind ``http``; ``endpoints`` calls this by ``kinds``."""

from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.db.models.functions import Now

from subscriptions.endpoints.http import encrypted_fields, verification
from subscriptions.endpoints.http.credentials import AWS_SIGV4, checked_auth
from subscriptions.endpoints.http.origins import check_endpoints_per_origin, origin_of
from subscriptions.endpoints.http.url_check import checked_endpoint_url
from subscriptions.errors import Invalid
from subscriptions.models import Endpoint, HttpSettings

FIELDS: Collection[str] = frozenset(
    {"url", "content_mode", "reference_above_bytes", "failure_pattern", "connector", *encrypted_fields.FIELDS}
)


def checked(fields: Mapping[str, Any], tenant_id: UUID, _endpoint: Endpoint | None = None) -> dict[str, Any]:
    """Return the fields as they are stored: URLs in the form in which they are called.

    Raises Invalid for a URL that is not allowed: the endpoint's, or that of its token server. Suspends the request
    while their names are resolved, so call it outside a transaction. Raises TooManyLookups.
    """
    changed = dict(fields)
    if "url" in fields:
        changed["url"] = checked_endpoint_url(fields["url"], tenant_id)
    if fields.get("auth"):
        changed["auth"] = checked_auth(fields["auth"], tenant_id)
    return changed


def assign(endpoint: Endpoint, fields: Mapping[str, Any]) -> HttpSettings:
    """Return the endpoint's settings, new or stored, with these fields set in memory.

    Encrypts headers, auth and tls. A new URL resets the verification, which may change the endpoint's state too.
    """
    row = HttpSettings(endpoint=endpoint) if endpoint._state.adding else endpoint.http
    if fields.get("url", row.url) != row.url:
        _move(endpoint, row, fields["url"])
    is_stored = not row._state.adding
    if is_stored and fields.get("content_mode", row.content_mode) != row.content_mode:
        row.content_mode_changed_at = Now()
    for name in fields.keys() - set(encrypted_fields.FIELDS):
        setattr(row, name, fields[name])
    if confidential := {name: fields[name] for name in encrypted_fields.FIELDS if name in fields}:
        changed = encrypted_fields.apply_changes(row, confidential)
        if is_stored and not encrypted_fields.is_stored(row, changed):
            row.credentials_changed_at = Now()
        for name, value in encrypted_fields.to_columns(changed).items():
            setattr(row, name, value)
    if row.tls and row.url[:5].lower() == "http:":
        raise Invalid("tls", "Requires an https URL.")
    if row.auth.get("type") == AWS_SIGV4 and "+" in urlsplit(row.url).query:
        raise Invalid("url", "With aws_sigv4, write + in the query as %20 if it stands for a space, or else as %2B.")
    return row


def save(row: HttpSettings) -> None:
    """Write the settings, after their endpoint and in the same transaction. Raises Invalid as ``origins`` does."""
    is_elsewhere = not HttpSettings.objects.filter(pk=row.pk, origin=row.origin).exists()
    row.save(force_insert=row._state.adding)
    if is_elsewhere:
        check_endpoints_per_origin(row)


def _move(endpoint: Endpoint, row: HttpSettings, url: str) -> None:
    row.url, row.origin = url, origin_of(url)
    if not row._state.adding:
        row.url_changed_at = Now()
    verification.reset(endpoint, row)
