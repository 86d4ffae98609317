"""The command tenant."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from subscriptions.models import ApiKey, Tenant
from subscriptions.tenants import keys
from tests.factories import make_tenant

pytestmark = pytest.mark.django_db


def run(*arguments):
    out = StringIO()
    call_command("tenant", *arguments, stdout=out)
    return out.getvalue()


def test_command_prints_tenant_and_key_as_one_line_of_json():
    printed = run("Acme", "--uid", "acme")
    assert printed.count("\n") == 1
    line = json.loads(printed)
    assert set(line) == {"tenant", "api_key"}
    key = keys.find_key(line["api_key"])
    assert key.tenant.public_id == line["tenant"]
    assert (key.tenant.name, key.tenant.uid) == ("Acme", "acme")
    assert set(key.scopes) == {"publish", "manage", "read", "consume"}


@pytest.mark.parametrize("arguments", [("",), ("a\nb",), ("A", "--uid", "a b"), ("A", "--uid", "in-use"), ("x" * 257,)])
def test_invalid_arguments_are_rejected_and_write_nothing(arguments):
    make_tenant(uid="in-use")
    with pytest.raises(CommandError):
        run(*arguments)
    assert Tenant.objects.count() == 1
    assert not ApiKey.objects.exists()


def test_name_of_another_tenant_is_pointed_out_beside_the_line():
    other, errors = make_tenant(name="Acme"), StringIO()
    call_command("tenant", "Acme", stdout=StringIO(), stderr=errors)
    assert other.public_id in errors.getvalue()
    assert "--uid" in errors.getvalue()
