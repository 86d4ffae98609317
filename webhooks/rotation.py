"""Secrets of a source: the newest signs on, the older ones are believed for an overlap, then they are gone."""

from datetime import timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from webhooks.models import Source, SourceSecret
from webhooks.sources import forget, sealer

DAY = 86_400  # seconds
MOST_SECRETS = 10  # believed at once: each costs a signature check


class TooManySecrets(ValueError):
    """A source may have ten secrets at once: revoke one, or let the overlap end."""


def add_secret(source: Source, text: str, *, overlap: int = DAY) -> SourceSecret:
    """Believe this secret from now on, and those there are for ``overlap`` more seconds (or until they expire
    anyway). Raises TooManySecrets."""
    now = timezone.now()
    with transaction.atomic():
        Source.objects.select_for_update().get(id=source.id)
        source.secrets.filter(Q(expires_at=None) | Q(expires_at__gt=now + timedelta(seconds=overlap))).update(
            expires_at=now + timedelta(seconds=overlap)
        )
        if believed(source).count() >= MOST_SECRETS:
            raise TooManySecrets(str(TooManySecrets.__doc__))
        secret = SourceSecret.objects.create(source=source, sealed=sealer().seal(text))
    forget()
    return secret


def revoke(secret: SourceSecret) -> None:
    """Do not believe it any more. Other processes follow within a second."""
    secret.delete()
    forget()


def believed(source: Source) -> QuerySet[SourceSecret]:
    """The secrets a source's signatures are checked with now."""
    return source.secrets.filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now()))
