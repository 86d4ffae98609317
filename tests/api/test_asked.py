"""Every list of the API may be asked what its description names, and nothing else."""

from typing import Any

import pytest

from tests.api.operations import Operation, operations
from tests.api.things import Things
from tests.factories import make_client, make_tenant

pytestmark = pytest.mark.django_db

READS = [it for it in operations() if it.method == "get" and it.needs_a_key]
PAGES = [it for it in READS if "cursor" in it.asked or "hours" in it.asked]
EACH = pytest.mark.parametrize("operation", PAGES, ids=str)
EACH_LIST = pytest.mark.parametrize("operation", [it for it in PAGES if "order" in it.asked], ids=str)


def ask(operation: Operation, query: str) -> Any:
    tenant = make_tenant()
    return make_client(tenant).get(f"{operation.path.format_map(Things(tenant).named_in(operation.path))}?{query}")


def refused(answer: Any) -> list[str]:
    """The names that the problem names."""
    assert answer.status_code == 400, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    return [it["field"] for it in answer.json()["errors"]]


def test_there_are_lists() -> None:
    assert len(PAGES) > 15
    assert sum(bool(it.flags) for it in PAGES) >= 3


@EACH
def test_a_name_that_is_misspelt_is_refused_and_not_passed_over(operation: Operation) -> None:
    for name in ("stat", "Limit", "page", "state__in", "%00", "_"):
        assert refused(ask(operation, f"{name}=dead")) == [name.replace("%00", "\0")]
    assert refused(ask(operation, "stat=dead&typ=a")) == ["stat", "typ"]


@EACH
def test_what_the_description_names_is_known(operation: Operation) -> None:
    """It may be refused for what it says, but never for its name; and a name that says nothing is refused."""
    for name in operation.asked:
        answer = ask(operation, f"{name}=%20")
        assert answer.status_code in (200, 400, 404)
        assert b"no such parameter" not in answer.content
        assert b"no such field" not in answer.content


@EACH_LIST
def test_a_name_that_says_nothing_or_two_things_is_refused(operation: Operation) -> None:
    for name in operation.asked - {"cursor"}:
        assert refused(ask(operation, f"{name}=")) == [name]
    assert refused(ask(operation, "limit=1&limit=2")) == ["limit"]


@EACH_LIST
def test_a_flag_is_true_or_false(operation: Operation) -> None:
    for name in operation.flags:
        assert {ask(operation, f"{name}={word}").status_code for word in ("true", "false", "True")} == {200}
        for word in ("-1", "1", "yes", "tru", "null", "%00"):
            assert refused(ask(operation, f"{name}={word}")) == [name]


@EACH
def test_a_tenant_may_name_itself_in_the_query(operation: Operation) -> None:
    tenant = make_tenant()
    path = operation.path.format_map(Things(tenant).named_in(operation.path))
    assert make_client(tenant).get(f"{path}?tenant={tenant.public_id}").status_code == 200


def test_what_lists_have_in_common_is_enough_to_ask_each() -> None:
    """So that nobody's list escapes: what is no page of the description has nothing to be asked."""
    assert {str(it) for it in READS if it.asked} == {str(it) for it in PAGES}
