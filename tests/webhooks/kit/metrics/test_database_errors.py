"""Errors of the database are counted by kind, whether Django's cursor or a statement of the hot path meets them."""

import pytest
from django.db import Error, connection, transaction

from subscriptions.models import Tenant
from tests.factories import make_tenant
from tests.metrics import metric
from webhooks.kit import sql

pytestmark = pytest.mark.django_db


def errors(kind: str) -> float:
    return metric("waypost_database_errors_total", kind=kind)


def by_cursor(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def by_hot_path(statement: str) -> None:
    sql.run(statement, {})


@pytest.mark.parametrize("run", [by_cursor, by_hot_path])
@pytest.mark.parametrize(("state", "kind"), [("40P01", "deadlock"), ("57014", "timeout"), ("57P01", "connection")])
def test_error_is_counted_by_its_state(run: object, state: str, kind: str) -> None:
    before = errors(kind)
    statement = f"DO $$ BEGIN RAISE EXCEPTION 'test' USING ERRCODE = '{state}'; END $$"
    with pytest.raises(Error), transaction.atomic():
        run(statement)  # type: ignore[operator]
    assert errors(kind) == before + 1


def test_broken_constraint_is_not_counted() -> None:
    kinds = ("connection", "deadlock", "other")
    tenant, before = make_tenant(uid="acme"), [errors(kind) for kind in kinds]
    with pytest.raises(Error), transaction.atomic():
        Tenant.objects.create(name=tenant.name, uid="acme")
    assert [errors(kind) for kind in kinds] == before
