"""Store the recovery codes of second factors as keyed digests: move the rows of django-otp's table to ours."""

from typing import Any

from django.db import migrations

from webhooks.encryption.check import keys_problem
from webhooks.kit.encryption import keyed_digests


def digest_codes(apps: Any, _schema_editor: Any) -> None:
    """Store a digest of each code that was not used yet, and delete the code."""
    codes, tokens = apps.get_model("config", "RecoveryCode"), apps.get_model("otp_static", "StaticToken")
    rows = list(tokens.objects.select_related("device").order_by("id").select_for_update(of=("self",)))
    if rows and (problem := keys_problem()):
        raise RuntimeError(problem)  # a key that no other process has would make all of these codes useless
    digested = [codes(device_id=row.device_id, digest=_digest(row.device.user_id, row.token)) for row in rows]
    codes.objects.bulk_create(digested, ignore_conflicts=True)
    tokens.objects.filter(id__in=[row.id for row in rows]).delete()


def _digest(user_id: Any, token: str) -> bytes:
    """Return the digest as of ``config.access.recovery_codes`` at the time of this migration."""
    return keyed_digests("recovery code", f"{user_id}:{''.join(token.split()).replace('-', '').lower()}")[0]


class Migration(migrations.Migration):

    online = (
        "processes of the version before read the other table, which is empty afterwards: until they have ended they "
        "refuse recovery codes, and accept the codes of authenticators"
    )

    dependencies = [
        ("config", "0004_recoverycode"),
        ("otp_static", "0003_add_timestamps"),
        ("webhooks", "0001_initial"),
    ]

    # A digest is not turned back into its code: after a rollback there are none until users set up their second factor.
    operations = [migrations.RunPython(digest_codes, migrations.RunPython.noop)]
