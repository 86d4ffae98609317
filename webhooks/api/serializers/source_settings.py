"""Validate the settings and credentials of a source that is read, and try them."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from rest_framework import serializers

from webhooks.kit.kinds.setting import check_settings
from webhooks.models import Source
from webhooks.processing.steps.settings import credentials_named
from webhooks.readers.other_systems import test_settings
from webhooks.sources.connections import credentials_of
from webhooks.sources.kinds.kind import Connection, InvalidSettings, Kind, Sample, SourceUnavailable
from webhooks.sources.kinds.registry import HTTP, installed_kind, kind_names
from webhooks.wire.errors import did_you_mean

HTTP_ONLY = (
    *("sender", "handshake", "public_url", "allowed_networks", "allowed_origins", "verify_token", "rate_per_minute"),
    *("response_status", "response_body", "response_content_type", "response_when", "response_timeout_seconds"),
    "responses",
)
READ_ONLY_KINDS = ("settings", "skip_test")  # fields that only sources that are read have
MAX_CREDENTIAL = 2048  # characters of one that an enrichment sends
_PRINTABLE = re.compile(r"[ -~]+")
SKIP = 'Give "skip_test": true to store the settings all the same.'


def check_kind(name: str) -> None:
    """Raise ValidationError for the name of an unknown kind."""
    if name in kind_names():
        return
    meant = did_you_mean(name, kind_names())
    known = f"must be one of: {', '.join(kind_names())}."
    raise serializers.ValidationError(f"Unknown kind; {f'{meant} It ' if meant else ''}{known}", "invalid_choice")


def check_fields_of_http(attrs: Mapping[str, Any]) -> None:
    """Refuse fields that say how another system is read. Raises ValidationError with all of them."""
    text = f"Only sources that are read have it; the kind of this one is {HTTP}."
    errors = {name: text for name in READ_ONLY_KINDS if attrs.get(name)}
    if errors:
        raise serializers.ValidationError(errors)


def check_fields_of_kind(attrs: Mapping[str, Any], kind: str) -> None:
    """Refuse fields that say how senders are responded to. Raises ValidationError with all of them."""
    text = f"Only sources of the kind {HTTP} have it; the kind of this one is {kind}."
    errors = {name: text for name in HTTP_ONLY if name in attrs and not _is_default(name, attrs[name])}
    if errors:
        raise serializers.ValidationError(errors)


def checked_settings(
    attrs: dict[str, Any], instance: Source | None, *, tenant_id: UUID | None, partial: bool, always_test: bool = False
) -> Sample | None:
    """Put settings and credentials into ``attrs`` as they are stored, checked together, and try them if they changed.

    Credentials that a PATCH leaves out stay. Raises ValidationError with all faults; LimitReached.
    """
    name = attrs.get("kind") or (instance.kind if instance else HTTP)
    skips_test = attrs.pop("skip_test", False) and not always_test
    extra = credentials_named(attrs.get("handlers", instance.handlers if instance else []))
    stored = credentials_of(instance) if instance else {}
    settings = attrs.get("settings", instance.settings if instance else {})
    credentials = _merged(stored, attrs.get("credentials"), keeps=partial)
    is_same = instance is not None and settings == instance.settings and credentials == stored
    if is_same and not always_test:
        attrs.pop("credentials", None)
        return None
    with setting_errors():
        kind = installed_kind(name)
        own = {it: value for it, value in credentials.items() if it in _declared(kind) or it not in extra}
        settings, checked = check_settings(kind.settings, settings, own)
        credentials = {**checked, **_checked_extra(credentials, extra - own.keys())}
        row = instance or Source(tenant_id=tenant_id)
        connection = Connection(row.public_id, row.tenant_id or row.id, settings, credentials)
        kind.check(connection)
    attrs.update(settings=settings, credentials=credentials)
    if skips_test:
        return None
    with setting_errors("" if always_test else f" {SKIP}"):
        return test_settings(kind, connection)


@contextmanager
def setting_errors(hint: str = "") -> Iterator[None]:
    """Report wrong settings, and a system that cannot be read, as validation errors of their fields."""
    try:
        yield
    except InvalidSettings as error:
        raise serializers.ValidationError(_nested(error.problems)) from error
    except SourceUnavailable as error:
        raise serializers.ValidationError(_nested({error.setting or "settings": f"{error}{hint}"})) from error


def checked_credentials(attrs: dict[str, Any], instance: Source | None, *, partial: bool) -> None:
    """Check the credentials of a source of the kind ``http``: those that headers of its enrichments name."""
    extra = credentials_named(attrs.get("handlers", instance.handlers if instance else []))
    given = attrs.pop("credentials", None)
    if given is None and not extra:
        return
    stored = credentials_of(instance) if instance else {}
    credentials = _merged(stored, given, keeps=partial)
    with setting_errors():
        if unknown := sorted(credentials.keys() - extra):
            text = "Unknown; no header of an enrichment names it as <credentials.NAME>."
            raise InvalidSettings({f"credentials.{it}": text for it in unknown})
        attrs["credentials"] = _checked_extra(credentials, extra)


def _declared(kind: Kind) -> set[str]:
    return {it.name for it in kind.settings if it.is_credential}


def _checked_extra(credentials: Mapping[str, Any], names: set[str]) -> dict[str, str]:
    """Return the credentials that headers of enrichments name. Raises InvalidSettings."""
    problems = {}
    for name in sorted(names):
        value = credentials.get(name)
        if value is None:
            problems[f"credentials.{name}"] = "Is required: a header of an enrichment names it."
        elif not isinstance(value, str) or not 0 < len(value) <= MAX_CREDENTIAL or not _PRINTABLE.fullmatch(value):
            problems[f"credentials.{name}"] = f"Must be up to {MAX_CREDENTIAL} printable ASCII characters."
    if problems:
        raise InvalidSettings(problems)
    return {name: credentials[name] for name in names}


def _merged(stored: dict[str, str], given: Mapping[str, Any] | None, *, keeps: bool) -> dict[str, Any]:
    """Return the credentials after a change: null removes one."""
    if given is None:
        return stored
    merged = {**stored, **given} if keeps else dict(given)
    return {name: value for name, value in merged.items() if value is not None}


def _nested(problems: Mapping[str, str]) -> dict[str, Any]:
    """Return messages by ``settings.name`` in the form of the errors of a serializer."""
    errors: dict[str, Any] = {}
    for path, message in problems.items():
        part, _, name = path.partition(".")
        if not name or isinstance(errors.get(part, {}), list):
            errors[part] = [message]
        else:
            errors.setdefault(part, {})[name] = [message]
    return errors


def _is_default(name: str, value: Any) -> bool:
    column: Any = Source._meta.get_field(name)
    return value in (column.get_default(), None, "") or (name == "allowed_origins" and value == [])
