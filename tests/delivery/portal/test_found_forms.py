"""Every form of the portal as a browser sends it, and without the token of its page.

The forms are found on the pages, so that a new form is tested without a change here.
"""

from itertools import cycle
from typing import Any

import pytest
from django.urls import resolve

from delivery.portal import gate
from delivery.portal.urls import portal_urlpatterns
from tests.api.tenant_rows import TenantRows
from tests.delivery.portal.found_forms import Form, find_forms, forms_in, paths_of
from tests.delivery.portal.sessions import PortalClient, portal_client, text_of
from tests.dns_server import Answer, DnsServer
from tests.factories import make_tenant
from tests.stored_rows import StoredRows, undone

pytestmark = pytest.mark.django_db

LEAST_FORMS = 50
INCOMPLETE = "Nothing was changed: the form was incomplete. Send it again."
KEYED = {
    *("portal-new-http", "portal-new-connector", "portal-endpoint-secrets", "portal-new-alert-rule"),
    *("portal-new-schedule", "portal-schedule-action", "portal-keys"),
}
"""The pages whose forms create something."""
PARTS = {"portal-match", "portal-schedule-preview", "portal-alert-rule-preview"}  # that a script asks for
KEYLESS = {"preview", "revoke"}  # buttons of a form with a key whose operations take none


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

    def keyed(self) -> list[Form]:
        """Return the forms that create something, once by their key."""
        found = [it for it in self.forms if "key" in it.names and KEYLESS.isdisjoint(it.names)]
        return [it for it in found if resolve(it.path).url_name not in PARTS]


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


def test_form_with_a_broken_key_says_what_to_do_and_nothing_is_written(walk: Walk) -> None:
    assert {resolve(it.path).url_name for it in walk.keyed()} == KEYED
    for form, key in zip(walk.keyed(), cycle(["é", "a b", "x" * 10_000, "a\0b"])):
        response = form.with_value("key", key).send(walk.client)
        assert response.status_code == 400, str(form)
        assert text_of(response).count(INCOMPLETE) == 1, str(form)
        shown = [it for it in forms_in(text_of(response), form.path) if "key" in it.names]
        assert all(key not in it.data()["key"] for it in shown), str(form)
    assert not walk.stored.changed()


def test_form_without_its_key_takes_effect(walk: Walk) -> None:
    for form in walk.keyed():
        with undone():
            expected = form.send(walk.client).status_code
        with undone():
            assert form.without("key").send(walk.client).status_code == expected, str(form)


def test_form_with_another_token_is_refused_and_nothing_written(walk: Walk) -> None:
    for form, token in zip(walk.forms, cycle(["", "x", "\u00e9", "a\0b", "x" * 10_000])):
        if form.method == "post":
            for sent in (form.without("csrf"), form.with_value("csrf", token)):
                assert sent.send(walk.client).status_code == 403, str(form)
    assert not walk.stored.changed()
