"""Find secrets of sources that end although senders need them, and certificates by which sources are read."""

from collections.abc import Iterator
from itertools import chain
from uuid import UUID

from django.db.models import Q

from webhooks.conditions.of_source import SOURCE, check_source, sources_of
from webhooks.kit.conditions.condition import Condition, Finding, Question
from webhooks.kit.conditions.ends import DAYS, certificate_ends, ending, first, last_end
from webhooks.kit.encryption import CannotDecrypt
from webhooks.models import Receipt, Source, SourceSecret
from webhooks.sources.connections import credentials_of

LATEST = 20  # messages of a source that are looked at for the secret that signed them
MAX_DECRYPTED = 1_000  # sources whose certificates one evaluation reads
WITH_CERTIFICATES = ("amqp", "kafka", "nats", "postgres_changes", "postgres_outbox")
"""Kinds of sources whose credentials may have certificates; to ask the kinds would load the library of each."""
STILL_USED = "The sender still signs with it: its messages are rejected then."
NO_OTHER = "No other secret lasts longer: messages are rejected then."


def find(question: Question) -> list[Finding]:
    """Return what ends soon, that first which ends first. Index: receipt_source."""
    return first([*chain(_secrets(question), _certificates(question))], question.limit)


def _secrets(question: Question) -> Iterator[Finding]:
    """Yield the secrets whose end would be noticed: one that was replaced and is used no more may end."""
    rows = SourceSecret.objects.filter(source__in=sources_of(question)).select_related("source")
    ends = rows.filter(expires_at__gt=question.now, expires_at__lte=last_end(question))
    for secret in ends.order_by("expires_at")[: question.limit]:
        reason = NO_OTHER if _is_last(secret) else STILL_USED if secret.pk in _latest_signers(secret.source_id) else ""
        if reason and secret.expires_at is not None:
            source, subject = secret.source, f"{secret.source.public_id}/{secret.public_id}"
            name = f"Secret {secret.name} of {_name(source)}".replace("  ", " ")
            yield ending(question, "secret", subject, name, source.tenant_id, secret.expires_at, reason)


def _is_last(secret: SourceSecret) -> bool:
    """Return whether no secret of the source for the same purpose lasts longer."""
    longer = Q(expires_at=None) | Q(expires_at__gt=secret.expires_at)
    return not secret.source.secrets.filter(longer, name=secret.name).exists()


def _latest_signers(source_id: UUID) -> set[UUID | None]:
    """Return the secrets that signed the latest messages of a source."""
    rows = Receipt.objects.filter(source=source_id).order_by("-id")
    return set(rows.values_list("secret_id", flat=True)[:LATEST])


def _certificates(question: Question) -> Iterator[Finding]:
    rows = sources_of(question).filter(kind__in=WITH_CERTIFICATES, credentials__isnull=False)
    for source in rows.order_by("id")[:MAX_DECRYPTED]:
        try:
            found = certificate_ends(credentials_of(source))
        except CannotDecrypt:
            continue
        for name, ends_at in found:
            if ends_at <= last_end(question):
                title, subject = f"{name} of {_name(source)}", f"{source.public_id}/{name}"
                yield ending(question, "certificate", subject, title, source.tenant_id, ends_at)


def _name(source: Source) -> str:
    return source.name or source.uid or source.public_id


CONDITION = Condition(
    "source_expiring",
    "Secrets of sources end",
    "A secret that a sender still signs with, the last secret of a source, or a certificate by which a source is "
    "read, ends within some days.",
    find,
    (DAYS, SOURCE),
    every=300.0,
    check=check_source,
)
