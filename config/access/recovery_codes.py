"""Create and check recovery codes, each of which signs a user in once in place of the authenticator.

Only a digest of each code is stored, HMAC-SHA256 with a key that is not in the database, so that neither a reader of
the database nor one of a backup can sign in. A slow hash, as for passwords, is not needed: a new code has 80 random
bits. The table of django-otp has codes in clear text: it is empty, and its row for each user's set of codes is used.
"""

import secrets
from base64 import b32encode
from hmac import compare_digest
from typing import Any, ClassVar

from django.db import models, transaction
from django_otp.plugins.otp_static.models import StaticDevice

from webhooks.kit.encryption import keyed_digests

RECOVERY_CODES = 8  # of a user
CODE_BYTES = 10  # 16 characters of base32
GROUP = 4  # characters between two hyphens of a code


class RecoveryCodes(StaticDevice):  # type: ignore[misc]
    """The recovery codes of a user. After a wrong code the next one waits."""

    class Meta:
        app_label = "config"
        proxy = True
        default_permissions = ()
        verbose_name = verbose_name_plural = "recovery codes"

    def verify_token(self, token: str) -> bool:
        """Return whether this is a code that was not used before, and delete it.

        A wrong code makes the next check wait: a second, two, four and so on. Without its encryption key no code is
        right.
        """
        if not self.verify_is_allowed()[0]:
            return False
        found = self._matching(token)
        if found is None or not RecoveryCode.objects.filter(pk=found.pk).delete()[0]:  # another sign-in was first
            self.throttle_increment()
            return False
        self.throttle_reset(commit=False)
        self.set_last_used_timestamp(commit=False)
        self.save()
        return True

    def _matching(self, token: str) -> "RecoveryCode | None":
        """Return the stored code that this is. All are compared, each in constant time."""
        given = digests_of(self.user_id, token)
        found = None
        for row in self.codes.all():
            for digest in given:
                if compare_digest(bytes(row.digest), digest):
                    found = row
        return found


class RecoveryCode(models.Model):  # noqa: DJ008 (without a text, so that a page which deletes them counts them)
    """A recovery code that was not used yet."""

    device = models.ForeignKey(RecoveryCodes, models.CASCADE, related_name="codes")
    digest = models.BinaryField(help_text="HMAC-SHA256 of the code and its user, with an encryption key.")

    class Meta:
        app_label = "config"
        default_permissions = ()
        constraints: ClassVar = [models.UniqueConstraint(fields=["device", "digest"], name="unique_recovery_code")]


def new_recovery_codes(user: Any) -> list[str]:
    """Replace the recovery codes of a user and return the new ones, which are not stored."""
    with transaction.atomic():
        RecoveryCodes.objects.filter(user=user).delete()
        return _add(RecoveryCodes.objects.create(user=user, name="recovery codes"), RECOVERY_CODES)


def add_recovery_code(user: Any) -> str:
    """Give a user one more recovery code, and return it."""
    with transaction.atomic():
        device = RecoveryCodes.objects.filter(user=user, confirmed=True).first()
        return _add(device or RecoveryCodes.objects.create(user=user, name="recovery codes"), 1)[0]


def digests_of(user_id: Any, code: str) -> list[bytes]:
    """Return the digests of a code of a user, the one to store first. Spaces, hyphens and case do not matter."""
    return keyed_digests("recovery code", f"{user_id}:{''.join(code.split()).replace('-', '').lower()}")


def _add(device: RecoveryCodes, number: int) -> list[str]:
    codes = [_new_code() for _ in range(number)]
    rows = [RecoveryCode(device=device, digest=digests_of(device.user_id, code)[0]) for code in codes]
    RecoveryCode.objects.bulk_create(rows)
    return codes


def _new_code() -> str:
    """Return a random code: ``abcd-efgh-ijkl-mnop``."""
    text = b32encode(secrets.token_bytes(CODE_BYTES)).decode().lower()
    return "-".join(text[place : place + GROUP] for place in range(0, len(text), GROUP))
