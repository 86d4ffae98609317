"""Every form of the portal as a browser sends it, and without the token of its page.

The forms are found on the pages, so that a new form is tested without a change here.
"""

from itertools import cycle
from typing import Any

import pytest

from delivery.portal import gate
from delivery.portal.urls import portal_urlpatterns
from tests.api.tenant_rows import TenantRows
from tests.delivery.portal.found_forms import find_forms, paths_of
from tests.delivery.portal.sessions import PortalClient, portal_client
from tests.dns_server import Answer, DnsServer
from tests.factories import make_tenant
from tests.stored_rows import StoredRows, undone

pytestmark = pytest.mark.django_db

LEAST_FORMS = 50


@pytest.fixture(autouse=True)
def no_limits(dns: DnsServer, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a session send all forms at once, and resolve every name to this machine, which refuses test events."""
    dns.default, settings.WAYPOST_ALLOW_NETWORKS = Answer(("127.0.0.1",)), ["127.0.0.0/8"]
    monkeypatch.setattr(gate, "seconds_to_wait", lambda _session: 0)


class Walk:
    """A tenant with one row of each resource, a session that may do everything, and the forms that it sees."""

    def __init__(self) -> None:
        self.rows = TenantRows(make_tenant())
        self.rows.all()
        self.client: PortalClient = portal_client(self.rows.tenant)
        self.client.raise_request_exception = False
        self.forms = find_forms(self.client, self.rows)
        self.stored = StoredRows()


@pytest.fixture
def walk() -> Walk:
    return Walk()


def test_forms_of_all_pages_are_found(walk: Walk) -> None:
    assert len(walk.forms) >= LEAST_FORMS
    posted = {form.path for form in walk.forms if form.method == "post"}
    views = [it for it in portal_urlpatterns if hasattr(getattr(it.callback, "view_class", None), "post")]
    missing = [it.name for it in views if posted.isdisjoint(paths_of(it, walk.rows))]
    assert missing == []


def test_form_as_a_browser_sends_it_is_no_error_of_ours(walk: Walk) -> None:
    statuses = {}
    for form in walk.forms:
        with undone():
            statuses[str(form)] = form.send(walk.client).status_code
    assert {it for it in statuses.values() if it >= 500} == set(), statuses
    accepted = [name for name, status in statuses.items() if status < 400]
    assert len(accepted) > len(statuses) * 0.8, statuses


def test_form_with_another_token_is_refused_and_nothing_written(walk: Walk) -> None:
    for form, token in zip(walk.forms, cycle(["", "x", "\u00e9", "a\0b", "x" * 10_000])):
        if form.method == "post":
            for sent in (form.without("csrf"), form.with_value("csrf", token)):
                assert sent.send(walk.client).status_code == 403, str(form)
    assert not walk.stored.changed()
