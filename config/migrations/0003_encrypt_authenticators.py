"""Store the keys of authenticators encrypted: move the rows of django-otp's table to that of the platform."""

import secrets
from typing import Any

from django.db import migrations

from webhooks.encryption.check import keys_problem
from webhooks.kit.encryption import decrypt, encrypt

KEY_BYTES = 20


def encrypt_keys(apps: Any, _schema_editor: Any) -> None:
    """Copy each key in use, encrypted, and replace it by a random one; a set-up that was not completed begins anew.

    The rows stay, for processes of the version before: without one they would let the user in without a code.
    """
    authenticators, devices = apps.get_model("config", "Authenticator"), apps.get_model("otp_totp", "TOTPDevice")
    devices.objects.filter(confirmed=False).delete()
    rows = list(devices.objects.order_by("id").select_for_update())
    if rows and (problem := keys_problem()):
        raise RuntimeError(problem)  # a key that no other process has would lock all of these users out
    done = set()
    for row in rows:
        if row.user_id not in done:
            done.add(row.user_id)
            authenticators.objects.create(
                user_id=row.user_id,
                name=row.name,
                ciphertext=encrypt(row.key),
                drift=row.drift,
                last_step=row.last_t,
                throttling_failure_timestamp=row.throttling_failure_timestamp,
                throttling_failure_count=row.throttling_failure_count,
            )
        row.key = secrets.token_hex(KEY_BYTES)
        row.save(update_fields=["key"])


def decrypt_keys(apps: Any, _schema_editor: Any) -> None:
    """Copy each key back. Raises CannotDecrypt."""
    authenticators, devices = apps.get_model("config", "Authenticator"), apps.get_model("otp_totp", "TOTPDevice")
    devices.objects.all().delete()
    for row in authenticators.objects.filter(confirmed=True).order_by("id"):
        devices.objects.create(
            user_id=row.user_id,
            name=row.name,
            key=decrypt(row.ciphertext),
            drift=row.drift,
            last_t=row.last_step,
            throttling_failure_timestamp=row.throttling_failure_timestamp,
            throttling_failure_count=row.throttling_failure_count,
        )
    authenticators.objects.all().delete()


class Migration(migrations.Migration):

    online = (
        "processes of the version before read the other table, whose keys are random afterwards: until they have ended "
        "they refuse the codes of authenticators, and accept recovery codes"
    )

    dependencies = [
        ("config", "0002_authenticator"),
        ("otp_totp", "0003_add_timestamps"),
        ("webhooks", "0001_initial"),
    ]

    operations = [migrations.RunPython(encrypt_keys, decrypt_keys)]
