"""The command platform_key."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from subscriptions.tenants import keys

pytestmark = pytest.mark.django_db


def test_command_prints_a_platform_key_as_one_line_of_json():
    out = StringIO()
    call_command("platform_key", "ops", stdout=out)
    assert out.getvalue().count("\n") == 1
    line = json.loads(out.getvalue())
    key = keys.find_key(line["api_key"])
    assert (key.public_id, key.tenant, key.name) == (line["id"], None, "ops")


def test_scopes_and_expiry_limit_the_key():
    out = StringIO()
    call_command("platform_key", "backend", "--scope", "publish", "--expires-in", "60", stdout=out)
    key = keys.find_key(json.loads(out.getvalue())["api_key"])
    assert key.scopes == ["publish"]
    assert key.expires_at is not None


def test_role_limits_the_key():
    out = StringIO()
    call_command("platform_key", "on call", "--role", "support", stdout=out)
    key = keys.find_key(json.loads(out.getvalue())["api_key"])
    assert (key.role, key.scopes) == ("support", ["read"])


def test_scope_that_the_role_lacks_is_a_command_error():
    with pytest.raises(CommandError, match="scopes: The role viewer has only: read"):
        call_command("platform_key", "on call", "--role", "viewer", "--scope", "manage")


def test_blank_name_is_a_command_error():
    with pytest.raises(CommandError):
        call_command("platform_key", " ")
