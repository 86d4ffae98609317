"""Rotate the secrets of a source: the newest signs, older ones stay active for an overlap and then expire."""

from datetime import timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from webhooks.kit.encryption import encrypt
from webhooks.models import Source, SourceSecret
from webhooks.sources.configuration import InvalidConfiguration, check_configuration, generated_secret
from webhooks.sources.snapshot import clear_snapshots

DAY = 86_400  # seconds
MAX_OVERLAP = 30 * DAY
MAX_SECRET_LENGTH = 8192  # characters, enough for a public key in PEM
MAX_ACTIVE_SECRETS = 10  # each costs a signature check per message


class TooManySecrets(ValueError):
    """A source may have at most 10 active secrets; revoke one, or wait for the overlap to end."""


def add_secret(source: Source, text: str, *, overlap: int = DAY) -> SourceSecret:
    """Add a secret; the others expire after ``overlap`` seconds, or earlier as before. Raises TooManySecrets."""
    now = timezone.now()
    with transaction.atomic():
        Source.objects.select_for_update().get(id=source.id)
        source.secrets.filter(Q(expires_at=None) | Q(expires_at__gt=now + timedelta(seconds=overlap))).update(
            expires_at=now + timedelta(seconds=overlap)
        )
        if active_secrets(source).count() >= MAX_ACTIVE_SECRETS:
            raise TooManySecrets(str(TooManySecrets.__doc__))
        secret = SourceSecret.objects.create(source=source, ciphertext=encrypt(text))
    clear_snapshots()
    return secret


def rotate(source: Source, text: str | None, *, overlap: int = DAY) -> tuple[SourceSecret, str]:
    """Add this secret, or a generated one, and return it with its text.

    Raises InvalidConfiguration if the scheme cannot use it, or needs the sender's; TooManySecrets.
    """
    text = text or generated_secret(source.scheme)
    if text is None:
        raise InvalidConfiguration("secret", "Required: under this scheme the sender issues the secret.")
    check_configuration(source.scheme, [text], source.options)
    return add_secret(source, text, overlap=overlap), text


def revoke(secret: SourceSecret) -> None:
    """Delete a secret; other processes stop using it within a second."""
    secret.delete()
    clear_snapshots()


def active_secrets(source: Source) -> QuerySet[SourceSecret]:
    """Return the secrets that signatures are checked with now."""
    return source.secrets.filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now()))
