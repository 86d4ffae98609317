"""Add and revoke the secrets of a source.

Adding a secret is a rotation: messages signed with an older secret are accepted during an overlap, after which the
older secret expires.
"""

from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from webhooks.kit.encryption import decrypt, encrypt
from webhooks.models import Source, SourceSecret
from webhooks.sources.configuration import InvalidConfiguration, check_configuration, generated_secret, trimmed_secret
from webhooks.sources.snapshot import clear_snapshots

DEFAULT_OVERLAP = 86_400  # seconds: one day
MAX_OVERLAP = 30 * 86_400  # seconds: 30 days
MAX_SECRET_LENGTH = 8192  # characters: enough for a public key in PEM
MAX_ACTIVE_SECRETS = 10  # per source: a message may be checked against each of them


class TooManySecrets(ValueError):
    """Report that a source has MAX_ACTIVE_SECRETS active secrets already."""

    def __init__(self) -> None:
        super().__init__(
            f"A source may have at most {MAX_ACTIVE_SECRETS} active secrets; "
            "revoke one, or wait until the overlap of one has ended."
        )


def add_secret(source: Source, text: str, *, name: str = "", overlap: int = DEFAULT_OVERLAP) -> SourceSecret:
    """Add a secret and let the older ones of this name expire in ``overlap`` seconds, unless they expire before.

    White space and invisible characters around the text are removed: they come from copying. Raises TooManySecrets, and
    InvalidConfiguration for invisible characters inside.
    """
    overlap_end = timezone.now() + timedelta(seconds=overlap)
    with transaction.atomic():
        Source.objects.select_for_update().get(id=source.id)
        replaced = source.secrets.filter(Q(expires_at=None) | Q(expires_at__gt=overlap_end), name=name)
        replaced.update(expires_at=overlap_end)
        if active_secrets(source).count() >= MAX_ACTIVE_SECRETS:
            raise TooManySecrets
        secret = SourceSecret.objects.create(source=source, name=name, ciphertext=encrypt(trimmed_secret(text)))
    clear_snapshots()
    return secret


def rotate_secret(
    source: Source, text: str | None, *, name: str = "", overlap: int = DEFAULT_OVERLAP
) -> tuple[SourceSecret, str]:
    """Add a secret with this text, or with a generated one if ``text`` is empty; return the secret and its text.

    Raises InvalidConfiguration if the source's scheme cannot use the text, or if ``text`` is empty and the scheme uses
    a secret that the sender issues. Raises TooManySecrets.
    """
    text = trimmed_secret(text or "") or generated_secret(source.scheme)
    if text is None:
        raise InvalidConfiguration("secret", "Required: with this scheme the sender issues the secret.")
    check_configuration(source.scheme, [text], source.options, tenant_id=source.tenant_id)
    return add_secret(source, text, name=name, overlap=overlap), text


def keep_received_secret(source_id: UUID, text: str) -> bool:
    """Add the secret that a sender gave in its handshake; return whether the source has no other.

    The same secret, given again, changes nothing.
    """
    with transaction.atomic():
        source = Source.objects.select_for_update().get(id=source_id)
        known = list(active_secrets(source))
        if known:
            return [decrypt(secret.ciphertext) for secret in known] == [text]
        SourceSecret.objects.create(source=source, ciphertext=encrypt(text), is_received=True)
    clear_snapshots()
    return True


def revoke_secret(secret: SourceSecret) -> None:
    """Delete a secret; other processes stop accepting it within a second."""
    secret.delete()
    clear_snapshots()


def active_secrets(source: Source) -> QuerySet[SourceSecret]:
    """Return the secrets that have not expired: a message signed with one of them is accepted."""
    return source.secrets.filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now()))
