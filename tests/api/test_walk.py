"""Every operation of the API, with every kind of key that must not open it. What is added tomorrow is walked, too."""

from collections import defaultdict
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from subscriptions.api.tenancy import HEADER
from subscriptions.models import Scope, Tenant
from subscriptions.tenants import keys
from tests.api.operations import Operation, described, operations, routed
from tests.api.things import Things
from tests.factories import client_with, make_client, make_key, make_tenant

pytestmark = pytest.mark.django_db

UNDESCRIBED = {"api/v1/schema/", "api/v1/docs/"}  # the description itself, and its pages
KEPT_BY_OPERATORS = {"tenants", "plans"}
LOCKED = [it for it in operations() if it.needs_a_key]
EACH = pytest.mark.parametrize("operation", LOCKED, ids=str)
EACH_BELOW = pytest.mark.parametrize("operation", [it for it in LOCKED if it.leads_to_a_thing], ids=str)


def test_every_address_is_described_and_so_is_in_this_walk() -> None:
    assert {(route, method) for route, method in routed() if route not in UNDESCRIBED} == described()


def assert_problem(answer: Any, status: int) -> None:
    """RFC 9457, and not a word more."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json().keys() == {"type", "title", "status", "detail"}
    assert answer.json()["status"] == status


def of_nobody() -> dict[str, str]:
    """For every name in an address, one that nothing has."""
    return defaultdict(lambda: "nobodyHasThisName")


@EACH
def test_without_a_key_it_is_closed(operation: Operation) -> None:
    tenant = make_tenant()
    answer = operation.ask(APIClient(), Things(tenant).named_in(operation.path))
    assert_problem(answer, 401)
    assert answer["WWW-Authenticate"] == 'Bearer realm="waypost"'


@EACH
def test_a_wrong_a_revoked_and_an_expired_key_are_the_same_refusal(operation: Operation) -> None:
    tenant = make_tenant()
    things = Things(tenant).named_in(operation.path)
    answers = [operation.ask(client_with(text), things) for text in wrong_keys(tenant)]
    for answer in answers:
        assert_problem(answer, 401)
        assert answer["WWW-Authenticate"] == 'Bearer realm="waypost", error="invalid_token"'
    assert len({answer.content for answer in answers}) == 1


def wrong_keys(tenant: Tenant) -> list[str]:
    """Never made, revoked, expired, and of a tenant that is gone."""
    revoked, revoked_text = make_key(tenant)
    keys.revoke_key(revoked)
    expired, expired_text = make_key(tenant)
    expired.expires_at = timezone.now() - timedelta(seconds=1)
    expired.save()
    _, orphaned_text = make_key(make_tenant(deleted_at=timezone.now()))
    return ["wp_" + "A" * 43, revoked_text, expired_text, orphaned_text]


@EACH
def test_one_scope_opens_it_and_the_others_together_do_not(operation: Operation) -> None:
    """An operator, who may do everything; and he asks for what nobody has, so nothing is done."""
    tenant = {HEADER: make_tenant().public_id}

    def is_closed_to(*scopes: str) -> bool:
        answer = operation.ask(make_client(None, *scopes), of_nobody(), **tenant)
        if answer.status_code == 403:
            assert_problem(answer, 403)
        return bool(answer.status_code == 403)

    opening = [scope for scope in Scope.values if not is_closed_to(scope)]
    assert len(opening) == 1
    assert operation.method != "get" or opening == [Scope.READ]
    assert is_closed_to(*(scope for scope in Scope.values if scope not in opening))


@EACH_BELOW
def test_what_belongs_to_another_tenant_does_not_exist(operation: Operation) -> None:
    """Nor does the answer differ from that for what never was; and nothing has happened to it."""
    tenant = make_tenant()
    things = Things(tenant).named_in(operation.path)
    stranger = make_client(make_tenant())
    before = seen_by(tenant, operation, things)
    foreign, unknown = operation.ask(stranger, things), operation.ask(stranger, of_nobody())
    assert_problem(foreign, refusal_of(operation))
    assert foreign.content == unknown.content
    assert seen_by(tenant, operation, things) == before


def seen_by(tenant: Tenant, operation: Operation, things: dict[str, str]) -> Any:
    """The thing that the address is about, as its owner sees it."""
    above = operation.path[: operation.path.rindex("}") + 1] + "/"
    answer = make_client(tenant).get(above.format_map(things))
    return answer.status_code, answer.content


@EACH
def test_a_key_cannot_name_another_tenant(operation: Operation) -> None:
    tenant = make_tenant()
    things = Things(tenant).named_in(operation.path)
    for name in ({HEADER: make_tenant().public_id}, {HEADER: "nobody-has-this-uid"}):
        assert_problem(operation.ask(make_client(tenant), things, **name), refusal_of(operation))


def refusal_of(operation: Operation) -> int:
    """Of what does not exist for a tenant: 404; but what only operators may do is closed to it, whatever is there."""
    return 403 if operation.method != "get" and operation.path.split("/")[3] in KEPT_BY_OPERATORS else 404
