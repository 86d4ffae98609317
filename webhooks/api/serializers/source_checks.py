"""Check fields of a source that have to fit together, new and stored ones: scheme and secrets, response, enrichment."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, cast

import orjson
from rest_framework import serializers

from webhooks.kit.encryption import decrypt
from webhooks.kit.rest.errors import Conflict
from webhooks.kit.results import RESULTS, endpoints_named
from webhooks.models import Source
from webhooks.outgoing.url_check import check_saved_url
from webhooks.processing.steps.settings import url_to_check
from webhooks.sources.configuration import (
    InvalidConfiguration,
    check_configuration,
    generated_secret,
    trimmed_secret,
)
from webhooks.sources.secret_rotation import TooManySecrets, active_secrets
from webhooks.sources.sources import UidInUse
from webhooks.wire.addresses.parsed_url import ForbiddenAddress


def with_scheme(attrs: dict[str, Any], source: Source | None, tenant_id: Any) -> dict[str, Any]:
    """Check that scheme, options and secrets fit together, new and stored ones."""
    new = attrs.get("secret")
    scheme = attrs.get("scheme", getattr(source, "scheme", ""))
    if source is not None and attrs.get("sender", source.sender) != source.sender:
        raise serializers.ValidationError({"sender": "Cannot be changed; create another source."})
    if source is None and new is None:
        new = attrs["secret"] = generated_secret(scheme)
    with configuration_errors():
        if new:
            new = attrs["secret"] = trimmed_secret(new)
        if attrs.get("verify_token"):
            attrs["verify_token"] = trimmed_secret(attrs["verify_token"], "verify_token")
    kept = [decrypt(row.ciphertext) for row in active_secrets(source)] if source else []
    if source is not None and attrs.pop("secret", "").strip() not in ["", *kept]:
        raise serializers.ValidationError({"secret": "Cannot be changed here; create a secret at secrets/."})
    with configuration_errors():
        options = check_configuration(
            scheme,
            [new, *kept] if new and not source else kept,
            attrs.get("options", getattr(source, "options", {})),
            tenant_id=tenant_id,
            handshake=attrs.get("handshake", getattr(source, "handshake", [])),
        )
    if "options" in attrs:
        attrs["options"] = options
    return attrs


def check_response(attrs: dict[str, Any], source: Source | None) -> None:
    """Check the response and the order of handling, with the stored values of fields that are not given."""

    def value(name: str) -> Any:
        return attrs.get(name, getattr(source or Source(), name))

    if value("response_body") and value("response_status") == HTTPStatus.NO_CONTENT:
        raise serializers.ValidationError({"response_body": "Must be empty with response_status 204."})
    if (
        value("response_body")
        and value("response_content_type") in ("", "application/json")
        and not is_json(value("response_body"))
    ):
        raise serializers.ValidationError({"response_body": "Must be JSON, or set another response_content_type."})
    if value("skip_out_of_order") and not value("sequence_path"):
        raise serializers.ValidationError({"skip_out_of_order": "Requires sequence_path."})


def find_results(attrs: dict[str, Any], tenant_id: Any) -> None:
    """Put the ids of the endpoints into new handlers that name them. Raises ValidationError."""
    handlers = attrs.get("handlers", ())
    names = {choice[member] for choice in handlers for member in RESULTS if choice.get(member)}
    if not names:
        return
    found: dict[str, str] = {}
    if tenant_id is not None:
        for _, known in endpoints_named.send(sender=Source, tenant_id=tenant_id, names=names):
            found |= cast("dict[str, str]", known)
    faults = {
        str(place): {member: ["The tenant of the source has no endpoint with this id."]}
        for place, choice in enumerate(handlers)
        for member in RESULTS
        if choice.get(member) and choice[member] not in found
    }
    if faults:
        raise serializers.ValidationError({"handlers": faults})
    for choice in handlers:
        choice.update({member: found[choice[member]] for member in RESULTS if choice.get(member)})


def check_enrichments(attrs: dict[str, Any], tenant_id: Any) -> None:
    """Check the addresses that new enrichments call. Raises ValidationError, LimitReached."""
    for place, choice in enumerate(attrs.get("handlers", ())):
        if choice.get("enrich"):
            try:
                check_saved_url(url_to_check(choice), tenant_id)
            except ForbiddenAddress as error:
                raise serializers.ValidationError(
                    {"handlers": {str(place): {"enrich": {"url": [str(error)]}}}}
                ) from error


@contextmanager
def configuration_errors() -> Iterator[None]:
    """Report a configuration that cannot work as a validation error of its field, and a uid in use as a conflict."""
    try:
        yield
    except UidInUse as error:
        raise Conflict({error.field: str(error)}) from error
    except (InvalidConfiguration, TooManySecrets) as error:
        raise serializers.ValidationError({getattr(error, "field", "secret"): str(error)}) from error


def is_json(text: str) -> bool:
    """Return whether a text is JSON."""
    try:
        orjson.loads(text)
    except ValueError:
        return False
    return True
