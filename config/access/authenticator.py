"""Check the codes of a second factor, and hold authenticators (TOTP, RFC 6238) with their keys encrypted.

The table of django-otp has the keys of authenticators in clear text, so that a backup is enough to make codes: its rows
are not used any more. Its interface of a device is.
"""

import secrets
import time
from base64 import b32encode
from collections.abc import Iterator
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

from django.conf import settings
from django.db import models, transaction
from django_otp.models import Device, ThrottlingMixin
from django_otp.oath import TOTP

from config.access.recovery_codes import RecoveryCodes
from webhooks.kit.encryption import CannotDecrypt, decrypt, encrypt

KEY_BYTES = 20  # RFC 4226, section 4, R6
DIGITS = 6
STEP = 30  # seconds for which a code is valid (RFC 6238, section 5.2)
TOLERANCE = 1  # steps before and after the current one whose codes are accepted


def encrypt_key(key: bytes) -> bytes:
    """Return the ciphertext of a key, as it is stored."""
    return encrypt(key.hex())


def new_ciphertext() -> bytes:
    """Return the ciphertext of a new random key."""
    return encrypt_key(secrets.token_bytes(KEY_BYTES))


class Authenticator(ThrottlingMixin, Device):  # type: ignore[misc]
    """An authenticator of a user, which shows six digits for 30 seconds each. After a wrong code the next one waits."""

    ciphertext = models.BinaryField(default=new_ciphertext, help_text="The key in hexadecimal, encrypted.")
    drift = models.SmallIntegerField(default=0, help_text="Steps by which its clock was ahead at the last code.")
    last_step = models.BigIntegerField(default=-1, help_text="Step of the last code: no code is accepted twice.")

    class Meta:
        app_label = "config"
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "confirmed"], name="unique_authenticator_of_a_user")
        ]

    @property
    def key(self) -> bytes:
        """Return the key. Raises CannotDecrypt."""
        return bytes.fromhex(decrypt(self.ciphertext))

    @property
    def uri(self) -> str:
        """Return the address that an authenticator scans: otpauth://totp/, with the key. Raises CannotDecrypt."""
        issuer = settings.OTP_TOTP_ISSUER
        label = quote(f"{issuer}:{self.user.get_username()}")
        fields = {"secret": b32encode(self.key).decode(), "issuer": issuer, "digits": DIGITS, "period": STEP}
        return f"otpauth://totp/{label}?{urlencode(fields, quote_via=quote)}"

    def verify_token(self, token: str) -> bool:
        """Return whether this is a current code that was not used before, and note that it is used now.

        A wrong code makes the next check wait: a second, two, four and so on. Without its encryption key no code is
        right.
        """
        if len(token) != DIGITS or not (token.isascii() and token.isdecimal()) or not self.verify_is_allowed()[0]:
            return False
        try:
            totp = TOTP(self.key, step=STEP, digits=DIGITS, drift=self.drift)
        except CannotDecrypt:
            return False
        totp.time = time.time()
        if not totp.verify(int(token), TOLERANCE, self.last_step + 1):
            self.throttle_increment()
            return False
        self.last_step, self.drift = totp.t(), totp.drift
        self.throttle_reset(commit=False)
        self.save()
        return True

    def get_throttle_factor(self) -> int:
        """Return the seconds of the first wait."""
        return 1


DEVICES: tuple[Any, ...] = (Authenticator, RecoveryCodes)


def needs_code(user: Any) -> bool:
    """Return whether a user has set up a second factor, or has recovery codes of one."""
    return any(kind.objects.filter(user=user, confirmed=True).exists() for kind in DEVICES)


def matching_device(user: Any, code: str) -> Any:
    """Return the authenticator or the recovery codes of a user that have this code, which is used up; None: neither."""
    with transaction.atomic():
        return next((it for it in _confirmed(user) if it.verify_token(code)), None)


def _confirmed(user: Any) -> Iterator[Any]:
    """Yield and lock what the user has set up."""
    for kind in DEVICES:
        yield from kind.objects.filter(user=user, confirmed=True).select_for_update()
