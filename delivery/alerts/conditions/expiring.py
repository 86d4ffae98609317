"""Find certificates, keys and signing secrets that end soon."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import chain
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.dateparse import parse_datetime

from delivery.alerts.conditions.of_endpoint import conditions_on
from subscriptions.endpoints.destinations.settings import decrypted
from subscriptions.models import ApiKey, DestinationSettings, Endpoint, HttpSettings, SigningSecret
from webhooks.kit.conditions.condition import Condition, Finding, Question
from webhooks.kit.conditions.ends import DAYS, certificate_ends, ending, first, last_end

MAX_DECRYPTED = 1_000  # endpoints in other systems whose certificates one evaluation reads
WITH_CERTIFICATES = ("amqp", "email", "kafka", "nats")
"""Types of endpoints whose credentials may have certificates; to ask the types would load the library of each."""


def find(question: Question) -> list[Finding]:
    """Return what ends soon, that first which ends first. Indexes: api_key_by_expiry, http_settings_with_tls."""
    found = chain(_keys(question), _secrets(question), _certificates(question), _certificates_of_brokers(question))
    return first(list(found), question.limit)


def _keys(question: Question) -> Iterator[Finding]:
    rows = ApiKey.objects.filter(revoked_at=None, expires_at__gt=question.now, expires_at__lte=last_end(question))
    if question.tenant_id is not None:
        rows = rows.filter(tenant=question.tenant_id)
    for key in rows.order_by("expires_at")[: question.limit]:
        if key.expires_at is not None:
            yield ending(question, "key", key.public_id, f"API key {key}", key.tenant_id, key.expires_at)


def _secrets(question: Question) -> Iterator[Finding]:
    """Yield the replaced secrets of a tenant's endpoints. Only the tenant knows whether its consumers are ready.

    A rule of the operator would get a message for each rotation of everybody.
    """
    if question.tenant_id is None:
        return
    rows = SigningSecret.objects.filter(expires_at__gt=question.now, expires_at__lte=last_end(question))
    for secret in rows.filter(**conditions_on(question)).select_related(*_of("endpoint"))[: question.limit]:
        if secret.expires_at is not None:
            name = f"Replaced signing secret of {_name(secret.endpoint)}"
            text = "Consumers have to verify with the current one before."
            subject = f"{secret.endpoint.public_id}/{secret.public_id}"
            yield ending(question, "secret", subject, name, question.tenant_id, secret.expires_at, text)


def _certificates(question: Question) -> Iterator[Finding]:
    rows = HttpSettings.objects.filter(~Q(tls={}), **conditions_on(question)).select_related("endpoint")
    for row in rows.order_by("pk"):
        ends = ((name, min(found)) for name, chained in row.tls.items() if (found := _ends(chained)))
        yield from _of_endpoint(question, row.endpoint, row.url, ends)


def _certificates_of_brokers(question: Question) -> Iterator[Finding]:
    for row in _with_certificates(question).order_by("pk")[:MAX_DECRYPTED]:
        yield from _of_endpoint(question, row.endpoint, row.address, certificate_ends(decrypted(row) or {}))


def _with_certificates(question: Question) -> QuerySet[DestinationSettings]:
    rows = DestinationSettings.objects.filter(endpoint__kind__in=WITH_CERTIFICATES, ciphertext__isnull=False)
    return rows.filter(**conditions_on(question)).select_related("endpoint")


def _of_endpoint(
    question: Question, endpoint: Endpoint, address: str, ends: Iterator[tuple[str, datetime]]
) -> Iterator[Finding]:
    for name, ends_at in ends:
        if ends_at <= last_end(question):
            title = f"{name} of {endpoint.uid or address}"
            subject = f"{endpoint.public_id}/{name}"
            yield ending(question, "certificate", subject, title, endpoint.tenant_id, ends_at)


def _ends(chained: Any) -> list[datetime]:
    """Return when the certificates of a chain end, as ``HttpSettings.tls`` describes them."""
    described = [it for it in chained if isinstance(it, Mapping)] if isinstance(chained, list) else []
    ends = [parse_datetime(str(it.get("not_after"))) for it in described]
    return [it for it in ends if it is not None]


def _of(path: str) -> tuple[str, ...]:
    return path, f"{path}__http", f"{path}__destination"


def _name(endpoint: Endpoint) -> str:
    return endpoint.uid or endpoint.address


CONDITION = Condition(
    "expiring",
    "Certificates and keys end",
    "An API key, a certificate of an endpoint, or (in a tenant's own rules) a signing secret that was replaced, ends "
    "within some days.",
    find,
    (DAYS,),
    every=300.0,
)
