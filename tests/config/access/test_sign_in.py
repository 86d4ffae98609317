"""Test signing in to the admin: entries, locks, and the second factor."""

import re
from base64 import b32decode
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django_otp.oath import TOTP

from config.access.authenticator import Authenticator
from config.ops import login
from webhooks.audit import sign_ins
from webhooks.audit.models import AuditEntry

pytestmark = pytest.mark.django_db

PASSWORD = "a long password"


@pytest.fixture
def user() -> User:
    return User.objects.create_superuser("ada", password=PASSWORD)


def sign_in(password: str = PASSWORD, code: str = "", address: str = "192.0.2.1", name: str = "ada") -> Any:
    login.attempts.clear()  # the limit of passwords a minute has tests of its own
    client = Client(REMOTE_ADDR=address)
    form = {"username": name, "password": password, "code": code}
    response: Any = client.post("/admin/login/", form)
    response.client = client
    return response


@pytest.mark.usefixtures("user")
def test_sign_in_without_next_leads_to_the_start_page_and_is_recorded() -> None:
    response = sign_in()
    assert (response.status_code, response["Location"]) == (302, "/admin/")
    entry = AuditEntry.objects.get(action="signed_in")
    assert (entry.actor_name, entry.address, entry.object_type) == ("ada", "192.0.2.1", "user")


@pytest.mark.usefixtures("user")
def test_wrong_password_is_recorded_without_the_password() -> None:
    sign_in("guess of a password")
    entry = AuditEntry.objects.get(action="sign_in_failed")
    assert (entry.actor_name, entry.address) == ("ada", "192.0.2.1")
    assert "guess" not in str(vars(entry))


@pytest.mark.usefixtures("user")
def test_too_many_failures_lock_the_name_at_that_address_for_the_right_password_too(caplog: Any) -> None:
    for _ in range(sign_ins.MAX_FAILURES):
        assert b"correct username and password" in sign_in("wrong").content
    refused = sign_in()
    assert refused.status_code == 200
    assert b"Too many failed sign-ins" in refused.content
    assert AuditEntry.objects.filter(action="locked_out").count() == 1
    assert "sign-in locked" in caplog.text
    assert sign_in(address="192.0.2.2").status_code == 302


@pytest.mark.usefixtures("user")
def test_failures_from_many_addresses_lock_the_name_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_ins, "MAX_FAILURES_ANYWHERE", 3)
    for number in range(3):
        sign_in("wrong", address=f"192.0.2.{number}")
    assert b"Too many failed sign-ins" in sign_in(address="198.51.100.1").content


@pytest.mark.usefixtures("user")
def test_sign_in_ends_the_count_of_failures() -> None:
    for _ in range(sign_ins.MAX_FAILURES - 1):
        sign_in("wrong")
    assert sign_in().status_code == 302
    sign_in("wrong")
    assert sign_in().status_code == 302


def test_name_that_no_user_has_is_locked_alike() -> None:
    for _ in range(sign_ins.MAX_FAILURES):
        sign_in("wrong", name="unknown")
    assert b"Too many failed sign-ins" in sign_in(name="unknown").content


def set_up(client: Client) -> tuple[TOTP, list[str]]:
    """Set up a second factor; return its key and the recovery codes."""
    page = client.get("/admin/second-factor/")
    assert "no-store" in page["Cache-Control"]
    match = re.search(r"Key: <code>([A-Z2-7=]+)</code>", page.content.decode())
    assert match is not None
    totp = TOTP(b32decode(match.group(1)))
    done = client.post("/admin/second-factor/", {"code": f"{totp.token():06}"})
    codes = re.search(r"<pre[^>]*>(.*?)</pre>", done.content.decode(), re.DOTALL)
    assert codes is not None
    return totp, codes.group(1).split()


@pytest.mark.usefixtures("user")
def test_user_with_a_second_factor_needs_its_code_each_only_once() -> None:
    _, recovery = set_up(sign_in().client)
    assert b"Enter the current code" in sign_in().content
    assert len(recovery) == 8
    assert sign_in(code=recovery[0]).status_code == 302
    assert sign_in(code=recovery[0]).status_code == 200
    assert AuditEntry.objects.filter(action="sign_in_failed").count() == 2
    assert recovery[0] not in str([vars(it) for it in AuditEntry.objects.all()])


@pytest.mark.usefixtures("user")
def test_recovery_codes_without_an_authenticator_are_still_asked_for() -> None:
    _, recovery = set_up(sign_in().client)
    Authenticator.objects.all().delete()
    assert b"Enter the current code" in sign_in().content
    assert sign_in(code=recovery[0]).status_code == 302


@pytest.mark.usefixtures("user")
def test_second_factor_is_removed_with_a_code_only() -> None:
    client = sign_in().client
    wrong = client.post("/admin/second-factor/", {"code": "000000"})
    assert "not the current code" in wrong.content.decode()
    Authenticator.objects.update(throttling_failure_count=0)  # the next code is checked at once
    set_up(client)
    assert b"Remove" in client.get("/admin/second-factor/").content
    assert client.post("/admin/second-factor/", {"code": "000000"}).status_code == 200
    assert sign_in().status_code == 200
