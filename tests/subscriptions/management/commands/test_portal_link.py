"""The command portal_link."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from subscriptions.models import PortalLink, Tenant
from subscriptions.portal_access.links import find_unopened
from tests.factories import make_tenant

pytestmark = pytest.mark.django_db


def run(*arguments):
    out = StringIO()
    call_command("portal_link", *arguments, stdout=out)
    return out.getvalue()


def test_command_prints_a_link_to_the_tenant_as_one_line_of_json():
    tenant = make_tenant(uid="acme")
    for name in ("acme", tenant.public_id):
        printed = run(name, "--user", "ada@example.com")
        assert printed.count("\n") == 1
        line = json.loads(printed)
        link = find_unopened(line["url"].rstrip("/").rpartition("/")[2])
        assert (link.tenant, link.user) == (tenant, "ada@example.com")
        assert link.created_by == "manage.py portal_link"


def test_command_creates_the_tenant_where_it_is_told_to():
    run("acme", "--create")
    run("acme", "--create")
    assert Tenant.objects.get(uid="acme").portal_links.count() == 2


@pytest.mark.parametrize("arguments", [("acme",), (f"tnt_{0:026}", "--create"), ("a b", "--create")])
def test_tenant_that_does_not_exist_or_cannot_be_created_is_refused(arguments):
    with pytest.raises(CommandError):
        run(*arguments)
    assert not PortalLink.objects.exists()
    assert not Tenant.objects.exists()
