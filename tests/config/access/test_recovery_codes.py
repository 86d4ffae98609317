"""Recovery codes: each is shown once, stored as a keyed digest, and signs its user in once."""

import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.apps import apps
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken

from config.access.authenticator import matching_device
from config.access.recovery_codes import RecoveryCode, RecoveryCodes, add_recovery_code, new_recovery_codes
from tests.threads import in_threads
from webhooks.audit.models import AuditEntry
from webhooks.encryption import check

pytestmark = pytest.mark.django_db

MIGRATION = import_module("config.migrations.0005_digest_recovery_codes")
LONG_AGO = "2026-01-01T00:00:00Z"


@pytest.fixture
def user() -> User:
    return User.objects.create_user("ada", password="x" * 12)


@pytest.fixture
def unchecked_keys() -> Iterator[None]:
    """Forget the check of the encryption keys, before and after a test."""
    check.forget()
    yield
    check.forget()


def end_wait() -> None:
    RecoveryCodes.objects.update(throttling_failure_timestamp=LONG_AGO)


def stored() -> str:
    """Return all that the database has of recovery codes, as text and as bytes."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT d::text, c::text, encode(c.digest, 'escape'), t::text FROM otp_static_staticdevice d "
            "LEFT JOIN config_recoverycode c ON c.device_id = d.id "
            "LEFT JOIN otp_static_statictoken t ON t.device_id = d.id"
        )
        return str(cursor.fetchall())


def test_codes_are_eight_of_80_random_bits_each(user: User) -> None:
    codes = new_recovery_codes(user)
    assert len(set(codes)) == 8
    assert all(re.fullmatch(r"[a-z2-7]{4}(-[a-z2-7]{4}){3}", it) for it in codes)


def test_code_is_accepted_once(user: User) -> None:
    first, second, *_ = new_recovery_codes(user)
    assert matching_device(user, first) == RecoveryCodes.objects.get()
    assert matching_device(user, first) is None
    end_wait()
    assert matching_device(user, second)
    assert RecoveryCode.objects.count() == 6


@pytest.mark.parametrize("written", [str.upper, lambda it: it.replace("-", ""), lambda it: it.replace("-", " ")])
def test_code_is_accepted_however_it_is_grouped(user: User, written: Any) -> None:
    assert matching_device(user, written(new_recovery_codes(user)[0]))


def test_code_of_another_user_is_refused(user: User) -> None:
    other = User.objects.create_user("bob", password="x" * 12)
    codes = new_recovery_codes(user)
    new_recovery_codes(other)
    assert matching_device(other, codes[0]) is None


def test_wrong_code_makes_the_next_one_wait(user: User) -> None:
    code = new_recovery_codes(user)[0]
    assert matching_device(user, "aaaa-aaaa-aaaa-aaaa") is None
    assert matching_device(user, code) is None
    end_wait()
    assert matching_device(user, code)


def test_new_codes_replace_the_old_ones(user: User) -> None:
    old = new_recovery_codes(user)
    new_recovery_codes(user)
    assert matching_device(user, old[0]) is None
    assert RecoveryCode.objects.count() == 8


def test_code_is_not_in_the_database_and_equal_codes_of_users_have_other_digests(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("config.access.recovery_codes.secrets.token_bytes", bytes)
    other = User.objects.create_user("bob", password="x" * 12)
    assert add_recovery_code(user) == add_recovery_code(other) == "aaaa-aaaa-aaaa-aaaa"
    assert "aaaa" not in stored()
    assert len({bytes(it.digest) for it in RecoveryCode.objects.all()}) == 2


def test_code_without_its_encryption_key_is_refused(user: User, settings: Any) -> None:
    code = new_recovery_codes(user)[0]
    settings.WAYPOST_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    assert matching_device(user, code) is None


def test_code_is_accepted_after_another_encryption_key_was_put_first(user: User, settings: Any) -> None:
    code = new_recovery_codes(user)[0]
    settings.WAYPOST_ENCRYPTION_KEYS = [Fernet.generate_key().decode(), *settings.WAYPOST_ENCRYPTION_KEYS]
    assert matching_device(user, code)


@pytest.mark.django_db(transaction=True)
def test_code_that_is_used_by_several_sign_ins_at_once_is_accepted_by_one(user: User) -> None:
    code = new_recovery_codes(user)[0]
    found = in_threads(*[lambda: matching_device(user, code)] * 5)
    assert [it for it in found if it is not None] == [RecoveryCodes.objects.get()]
    assert RecoveryCode.objects.count() == 7


def test_code_that_another_sign_in_has_used_since_it_was_read_is_refused(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = new_recovery_codes(user)[0]
    read = RecoveryCodes._matching

    def late(self: RecoveryCodes, token: str) -> Any:
        found = read(self, token)
        RecoveryCode.objects.all().delete()
        return found

    monkeypatch.setattr(RecoveryCodes, "_matching", late)
    assert matching_device(user, code) is None


def test_command_prints_one_more_code_and_is_recorded_without_it(
    user: User, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("addstatictoken", "ada")
    code = capsys.readouterr().out.strip()
    assert code not in str([vars(it) for it in AuditEntry.objects.all()])
    assert AuditEntry.objects.get(object_type="user", action="performed").after == {"note": "recovery code created"}
    assert matching_device(user, code)
    assert not StaticToken.objects.exists()


def test_command_names_a_user_that_does_not_exist() -> None:
    with pytest.raises(CommandError, match="No user is named bob"):
        call_command("addstatictoken", "bob")


def test_migration_stores_digests_and_leaves_no_code(user: User) -> None:
    device = StaticDevice.objects.create(user=user, name="recovery codes")
    StaticToken.objects.bulk_create(StaticToken(device=device, token=it) for it in ("abcdefgh", "My-Code"))
    MIGRATION.digest_codes(apps, None)
    assert "abcdefgh" not in stored()
    assert not StaticToken.objects.exists()
    assert matching_device(user, "abcdefgh") == RecoveryCodes.objects.get(pk=device.pk)
    assert matching_device(user, "My-Code")
    assert matching_device(user, "abcdefgh") is None


@pytest.mark.usefixtures("unchecked_keys")
def test_migration_with_wrong_encryption_keys_changes_nothing(user: User, settings: Any) -> None:
    assert check.keys_problem() == ""
    StaticToken.objects.create(device=StaticDevice.objects.create(user=user, name="codes"), token="abcdefgh")
    settings.WAYPOST_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(RuntimeError, match="lacks the key"):
        MIGRATION.digest_codes(apps, None)
    assert StaticToken.objects.get().token == "abcdefgh"
    assert not RecoveryCode.objects.exists()
