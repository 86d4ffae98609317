"""Authenticators: codes of another implementation, each accepted once, and keys that are stored encrypted."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.apps import apps
from django.contrib.auth.models import User
from django.db import IntegrityError, connection
from django_otp.plugins.otp_totp.models import TOTPDevice

from config.access.authenticator import Authenticator, encrypt_key, matching_device
from webhooks.encryption import check
from webhooks.kit.encryption import decrypt

pytestmark = pytest.mark.django_db

NOW = 1_900_000_000.0  # Unix seconds, in the middle of a step
KEY = bytes(range(20))
MIGRATION = import_module("config.migrations.0003_encrypt_authenticators")


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("config.access.authenticator.time.time", lambda: NOW)


@pytest.fixture
def user() -> User:
    return User.objects.create_user("ada", password="x" * 12)


def make(user: User, **fields: Any) -> Authenticator:
    return Authenticator.objects.create(user=user, name="phone", **{"ciphertext": encrypt_key(KEY), **fields})


def code(seconds: float = 0.0, key: bytes = KEY) -> str:
    """Return the code that another implementation shows so many seconds from now."""
    return TOTP(key, 6, SHA1(), 30, enforce_key_length=False).generate(int(NOW + seconds)).decode()


@pytest.mark.parametrize("seconds", [-30, 0, 30])
def test_code_of_the_current_step_and_of_its_neighbours_is_accepted_once(user: User, seconds: float) -> None:
    make(user)
    assert matching_device(user, code(seconds)) == Authenticator.objects.get()
    assert matching_device(user, code(seconds)) is None


@pytest.mark.parametrize("seconds", [-90, 90])
def test_code_of_another_time_is_refused(user: User, seconds: float) -> None:
    make(user)
    assert matching_device(user, code(seconds)) is None


def test_clock_that_is_ahead_is_followed(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    make(user)
    assert matching_device(user, code(30))
    monkeypatch.setattr("config.access.authenticator.time.time", lambda: NOW + 600)
    assert matching_device(user, code(660))


@pytest.mark.parametrize("wrong", ["", "12345", "1234567", "12345a", "１２３４５６", "-12345", " 12345"])
def test_text_that_is_no_code_is_refused_and_makes_no_code_wait(user: User, wrong: str) -> None:
    make(user)
    assert matching_device(user, wrong) is None
    assert matching_device(user, code())


def test_wrong_code_makes_the_next_one_wait(user: User) -> None:
    make(user)
    wrong = f"{(int(code(300)) + 1) % 1_000_000:06}"
    assert matching_device(user, wrong) is None
    assert matching_device(user, code()) is None
    Authenticator.objects.update(throttling_failure_timestamp="2026-01-01T00:00:00Z")
    assert matching_device(user, code())


def test_authenticator_that_is_not_confirmed_opens_nothing(user: User) -> None:
    make(user, confirmed=False)
    assert matching_device(user, code()) is None


def test_user_has_one_authenticator(user: User) -> None:
    make(user)
    with pytest.raises(IntegrityError):
        make(user)


def stored() -> str:
    """Return all that the database has of authenticators."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT a::text, convert_from(a.ciphertext, 'UTF8') FROM config_authenticator a")
        return str(cursor.fetchall())


def test_key_is_not_in_the_database(user: User) -> None:
    device = make(user)
    for text in (KEY.hex(), "AAAQEAYEAUDAOCAJBIFQYDIOB4IBCEQT"):  # hexadecimal, base32
        assert text.lower() not in stored().lower()
    assert decrypt(device.ciphertext) == KEY.hex()


def test_new_authenticator_has_a_key_of_its_own(user: User) -> None:
    other = User.objects.create_user("bob", password="x" * 12)
    keys = {Authenticator.objects.create(user=it, name="phone").key for it in (user, other)}
    assert {len(it) for it in keys} == {20}
    assert len(keys) == 2


def test_key_that_cannot_be_decrypted_refuses_every_code(user: User, settings: Any) -> None:
    make(user)
    settings.WAYPOST_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    assert matching_device(user, code()) is None


def test_key_is_read_after_another_encryption_key_was_put_first(user: User, settings: Any) -> None:
    make(user)
    settings.WAYPOST_ENCRYPTION_KEYS = [Fernet.generate_key().decode(), *settings.WAYPOST_ENCRYPTION_KEYS]
    assert matching_device(user, code())


def test_address_to_scan_has_issuer_user_and_key(user: User) -> None:
    user.username = "ada lovelace"
    user.save()
    parts = urlsplit(make(user).uri)
    assert (parts.scheme, parts.netloc, parts.path) == ("otpauth", "totp", "/Waypost%3Aada%20lovelace")
    assert parse_qs(parts.query) == {
        "secret": ["AAAQEAYEAUDAOCAJBIFQYDIOB4IBCEQT"],
        "issuer": ["Waypost"],
        "digits": ["6"],
        "period": ["30"],
    }


def test_migration_encrypts_the_keys_in_use_and_leaves_none_that_works(user: User) -> None:
    other = User.objects.create_user("bob", password="x" * 12)
    TOTPDevice.objects.create(user=user, name="phone", key=KEY.hex(), last_t=7, drift=1)
    TOTPDevice.objects.create(user=other, name="phone", confirmed=False)
    MIGRATION.encrypt_keys(apps, None)
    device = Authenticator.objects.get()
    assert (device.user, device.key, device.confirmed, device.last_step, device.drift) == (user, KEY, True, 7, 1)
    old = TOTPDevice.objects.get()  # for processes of the version before
    assert (old.user, old.confirmed) == (user, True)
    assert len(old.bin_key) == 20
    assert old.bin_key != KEY
    Authenticator.objects.update(last_step=-1, drift=0)
    assert matching_device(user, code())


def test_migration_is_taken_back_with_the_keys(user: User) -> None:
    TOTPDevice.objects.create(user=user, name="phone", key=KEY.hex(), last_t=7, drift=1)
    MIGRATION.encrypt_keys(apps, None)
    other = User.objects.create_user("bob", password="x" * 12)  # set up by the new version
    later = Authenticator.objects.create(user=other, name="phone").key
    MIGRATION.decrypt_keys(apps, None)
    assert not Authenticator.objects.exists()
    rows = {it.user: (it.bin_key, it.confirmed) for it in TOTPDevice.objects.all()}
    assert rows == {user: (KEY, True), other: (later, True)}


@pytest.fixture
def unchecked_keys() -> Iterator[None]:
    """Forget the check of the encryption keys, before and after a test."""
    check.forget()
    yield
    check.forget()


@pytest.mark.usefixtures("unchecked_keys")
def test_migration_with_wrong_encryption_keys_changes_nothing(user: User, settings: Any) -> None:
    assert check.keys_problem() == ""
    TOTPDevice.objects.create(user=user, name="phone", key=KEY.hex())
    settings.WAYPOST_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(RuntimeError, match="lacks the key"):
        MIGRATION.encrypt_keys(apps, None)
    assert TOTPDevice.objects.get().key == KEY.hex()
    assert not Authenticator.objects.exists()
