"""Secrets of a source: the newest signs on, the older ones are believed for an overlap, then they are gone."""

from datetime import timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from webhooks.kit.encryption import encrypt
from webhooks.models import Source, SourceSecret
from webhooks.sources.configuration import InvalidConfiguration, check_configuration, generated_secret
from webhooks.sources.snapshot import clear_snapshots

DAY = 86_400  # seconds
LONGEST_OVERLAP = 30 * DAY
LONGEST_SECRET = 8192  # characters: room for a public key in PEM
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
        if active_secrets(source).count() >= MOST_SECRETS:
            raise TooManySecrets(str(TooManySecrets.__doc__))
        secret = SourceSecret.objects.create(source=source, ciphertext=encrypt(text))
    clear_snapshots()
    return secret


def rotate(source: Source, text: str | None, *, overlap: int = DAY) -> tuple[SourceSecret, str]:
    """Believe this secret from now on; none: one that is made, if the scheme lets us. Returns its text, too. Raises
    InvalidConfiguration if the scheme could do nothing with it, TooManySecrets."""
    text = text or generated_secret(source.scheme)
    if text is None:
        raise InvalidConfiguration("secret", "The sender has it: this scheme does not let us choose one.")
    check_configuration(source.scheme, [text], source.options)
    return add_secret(source, text, overlap=overlap), text


def revoke(secret: SourceSecret) -> None:
    """Do not believe it any more. Other processes follow within a second."""
    secret.delete()
    clear_snapshots()


def active_secrets(source: Source) -> QuerySet[SourceSecret]:
    """The secrets a source's signatures are checked with now."""
    return source.secrets.filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now()))
