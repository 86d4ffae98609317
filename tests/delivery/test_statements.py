"""How statements are planned: by index, whatever the tables held when the plan was made."""

from collections.abc import Iterator

import pytest
from django.db import connection

from delivery import statements


@pytest.fixture
def by_index() -> Iterator[None]:
    statements.plan_by_index()
    yield
    statements.plan_freely()


@pytest.mark.django_db
def test_a_drain_plans_by_index_and_leaves_the_connection_as_it_was(by_index: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW enable_seqscan")
        assert cursor.fetchone() == ("off",)
        statements.plan_freely()
        cursor.execute("SHOW enable_seqscan")
        assert cursor.fetchone() == ("on",)
