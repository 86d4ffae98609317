"""One battery for every door that asks for a key: who may not come in, and that somebody else's is not there.

class TestEndpointDoors(DoorCases):
    doors = [Door("get", "endpoints/{endpoint}/", "read", 200), ...]

    def things(self, tenant):
        return {"endpoint": make_endpoint(tenant).public_id}
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from subscriptions.models import Scope, Tenant
from subscriptions.tenants import keys
from tests.factories import client_with, make_client, make_key, make_tenant


@dataclass(frozen=True)
class Door:
    """One method of one address below /api/v1/; `{names}` in path and body stand for the things of the test."""

    method: str
    path: str
    scope: str
    answers: int
    body: Any = None

    @property
    def leads_to_a_thing(self) -> bool:
        return "{" in self.path

    def knock(self, client: APIClient, things: dict[str, str], **headers: str) -> Any:
        path = "/api/v1/" + self.path.format(**things)
        return getattr(client, self.method)(path, fill(self.body, things), format="json", headers=headers)


def fill(body: Any, things: dict[str, str]) -> Any:
    if isinstance(body, dict):
        return {name: fill(value, things) for name, value in body.items()}
    return body.format(**things) if isinstance(body, str) else body


@pytest.mark.django_db
class DoorCases:
    doors: ClassVar[list[Door]]

    def things(self, tenant: Tenant) -> dict[str, str]:
        """The public ids that the doors of this battery speak of, freshly made."""
        raise NotImplementedError

    def each(self, subtests: Any) -> Iterator[tuple[Door, Tenant, dict[str, str]]]:
        for door in self.doors:
            with subtests.test(door=f"{door.method} {door.path}"):
                tenant = make_tenant()
                yield door, tenant, self.things(tenant)

    def test_the_right_key_opens(self, subtests: Any) -> None:
        for door, tenant, things in self.each(subtests):
            answer = door.knock(make_client(tenant, door.scope), things)
            assert answer.status_code == door.answers, answer.content

    def test_without_a_key_nothing_opens(self, subtests: Any) -> None:
        for door, _, things in self.each(subtests):
            answer = door.knock(APIClient(), things)
            assert answer.status_code == 401
            assert answer["WWW-Authenticate"] == 'Bearer realm="waypost"'

    def test_a_key_that_does_not_fit_is_the_same_refusal_whatever_is_wrong_with_it(self, subtests: Any) -> None:
        for door, tenant, things in self.each(subtests):
            answers = [door.knock(client_with(text), things) for text in wrong_keys(tenant)]
            assert {answer.status_code for answer in answers} == {401}
            assert len({answer.content for answer in answers}) == 1

    def test_a_key_without_the_scope_is_refused(self, subtests: Any) -> None:
        for door, tenant, things in self.each(subtests):
            others = [scope for scope in Scope.values if scope != door.scope]
            assert door.knock(make_client(tenant, *others), things).status_code == 403

    def test_what_belongs_to_another_tenant_does_not_exist(self, subtests: Any) -> None:
        stranger = make_client(make_tenant())
        for door, _, things in self.each(subtests):
            if door.leads_to_a_thing:
                assert door.knock(stranger, things).status_code == 404

    def test_a_key_cannot_name_another_tenant(self, subtests: Any) -> None:
        for door, _, things in self.each(subtests):
            other = make_tenant()
            client = make_client(other)
            named = make_tenant().public_id
            assert door.knock(client, things, **{"Waypost-Tenant": named}).status_code == 404

    def test_an_operator_comes_in_by_naming_the_tenant(self, subtests: Any) -> None:
        for door, tenant, things in self.each(subtests):
            answer = door.knock(make_client(None, door.scope), things, **{"Waypost-Tenant": tenant.public_id})
            assert answer.status_code == door.answers, answer.content


def wrong_keys(tenant: Tenant) -> list[str]:
    """Never made, revoked, expired, of a deleted tenant, and no key at all."""
    never_made = "wp_" + "A" * 43
    revoked, revoked_text = make_key(tenant)
    keys.revoke_key(revoked)
    expired, expired_text = make_key(tenant)
    expired.expires_at = timezone.now() - timedelta(seconds=1)
    expired.save()
    _, orphaned_text = make_key(make_tenant(deleted_at=timezone.now()))
    return [never_made, revoked_text, expired_text, orphaned_text, "x", ""]
