"""Finding routes by event type and pattern."""

from typing import Any
from uuid import UUID

import pytest

from subscriptions.routing.compiled_patterns import LazyPattern
from subscriptions.routing.route_table import Route, RouteEntry, RouteTable
from webhooks.wire.ids import new_id
from webhooks.wire.patterns import BudgetExceeded, Pattern, PatternOutline, StepBudget
from webhooks.wire.step_budget import UNLIMITED


def table_of(*rows: tuple[Route, list[str]]) -> RouteTable:
    """A route table of these routes and their event types."""
    return RouteTable(1, {route.subscription_id: RouteEntry("", route, tuple(names)) for route, names in rows})


def made(*subscribed: tuple[str, ...], pattern: Pattern | None = None) -> tuple[RouteTable, list[UUID]]:
    """A route table with one endpoint for each of these lists of event types."""
    rows = [(Route(new_id(), new_id(), pattern=pattern), list(names)) for names in subscribed]
    return table_of(*rows), [route.endpoint_id for route, _ in rows]


def found(table: RouteTable, event_type: str, document: dict[str, Any] | None = None) -> set[UUID]:
    return {route.endpoint_id for route in table.find(event_type, lambda: document or {})}


class TestFind:
    @pytest.mark.parametrize(
        ("name", "event_type", "matches"),
        [
            ("*", "order.created", True),
            ("*", "x", True),
            ("order.created", "order.created", True),
            ("order.created", "order.created.late", False),
            ("order.created", "order", False),
            ("order.*", "order.created", True),
            ("order.*", "order.item.added", True),
            ("order.*", "order", False),
            ("order.*", "orders.created", False),
            ("order.*", "order.", True),
            ("order.item.*", "order.item.added", True),
            ("order.item.*", "order.created", False),
            ("Order.*", "order.created", False),
        ],
    )
    def test_exact_names_prefixes_and_star_match_event_types(self, name: str, event_type: str, matches: bool) -> None:
        table, (endpoint,) = made((name,))
        assert found(table, event_type) == ({endpoint} if matches else set())

    @pytest.mark.parametrize(
        ("name", "matches"),
        [("*", False), ("waypost.*", True), ("waypost.endpoint.*", True), ("waypost.endpoint.failing", True)],
    )
    def test_operational_events_are_matched_by_waypost_names_but_not_by_star(self, name: str, matches: bool) -> None:
        table, (endpoint,) = made((name,))
        assert found(table, "waypost.endpoint.failing") == ({endpoint} if matches else set())

    def test_pattern_excludes_events_that_do_not_match(self) -> None:
        table, (endpoint,) = made(("*",), pattern=Pattern({"data": {"total": [{"numeric": [">", 100]}]}}))
        assert found(table, "t", {"data": {"total": 101}}) == {endpoint}
        assert found(table, "t", {"data": {"total": 100}}) == set()

    def test_endpoint_with_several_matching_subscriptions_gets_the_oldest_route(self) -> None:
        endpoint_id = new_id()
        older, newer = (Route(new_id(), endpoint_id) for _ in range(2))
        table = table_of((newer, ["a.b", "a.b"]), (older, ["*", "a.*"]))
        assert table.find("a.b", dict) == [older]

    def test_document_is_not_built_when_no_pattern_is_evaluated(self) -> None:
        table, _ = made(("*",), ("a.*",))
        assert len(table.find("a.b", lambda: pytest.fail("built the document"))) == 2

    def test_find_raises_when_the_budget_is_exceeded(self) -> None:
        table, _ = made(("*",), pattern=Pattern({"data": {"total": [{"numeric": [">", 100]}]}}))
        with pytest.raises(BudgetExceeded):
            table.find("t", lambda: {"data": {"total": 101}}, budget=StepBudget(0))


class TestFindSlice:
    def test_slices_together_have_the_same_routes_as_find(self) -> None:
        rows = [
            (Route(new_id(), new_id(), pattern=Pattern({"n": [number % 3]})), ["a.b" if number % 2 else "a.*"])
            for number in range(10)
        ]
        table, slices, after = table_of(*reversed(rows), (Route(new_id(), new_id()), ["other"])), [], None
        while not slices or after is not None:
            found = table.find_slice("a.b", lambda: {"n": 1}, after=after, size=3)
            slices.append([route.subscription_id for route in found.routes])
            after = found.after
        assert [key for keys in slices for key in keys] == [rows[number][0].subscription_id for number in (1, 4, 7)]
        assert len(slices) == 4

    def test_slice_has_only_the_oldest_route_of_an_endpoint(self) -> None:
        endpoint_id = new_id()
        older, newer = (Route(new_id(), endpoint_id) for _ in range(2))
        table = table_of((newer, ["a.b"]), (older, ["*"]))
        assert table.find_slice("a.b", dict, size=10).routes == [older]

    def test_slice_without_budget_ends_after_its_first_subscription(self) -> None:
        pattern = Pattern({"n": [{"numeric": [">", 0]}]})
        rows = [(Route(new_id(), new_id(), pattern=pattern), ["*"]) for _ in range(3)]
        found = table_of(*rows).find_slice("t", lambda: {"n": 1}, size=10, budget=StepBudget(0))
        assert (found.routes, found.after) == ([rows[0][0]], rows[0][0].subscription_id)

    def test_slices_find_the_same_routes_as_find_at_any_budget(self) -> None:
        patterns = [it for number in range(60) for it in ({"n": [number % 5]}, {"n": [{"numeric": [">", number]}]})]
        table = table_of(*((Route(new_id(), new_id(), pattern=LazyPattern(it)), ["*"]) for it in patterns))
        expected = sorted(route.subscription_id for route in table.find("t", lambda: {"n": 3}))
        for steps in (0, 300, 3_000, 10**9):
            piece = table.find_slice("t", lambda: {"n": 3}, size=50, budget=StepBudget(steps))
            found = [route.subscription_id for route in piece.routes]
            while piece.after is not None:
                piece = table.find_slice("t", lambda: {"n": 3}, after=piece.after, size=50, budget=StepBudget(steps))
                found += [route.subscription_id for route in piece.routes]
            assert found == expected

    def test_slice_can_be_continued_with_a_later_table(self) -> None:
        rows = [(Route(new_id(), new_id()), ["*"]) for _ in range(6)]
        added = Route(new_id(), new_id())
        first = table_of(*rows).find_slice("t", dict, size=3)
        later = table_of(*rows[2:], (added, ["*"])).find_slice("t", dict, after=first.after, size=10)
        assert [*first.routes, *later.routes] == [*(route for route, _ in rows), added]


class TestRebuilding:
    def test_types_whose_routes_have_not_changed_keep_their_index(self) -> None:
        compiled: list[int] = []

        class Counted(LazyPattern):
            def outline(self, budget: StepBudget = UNLIMITED, /) -> PatternOutline:
                compiled.append(1)
                return super().outline(budget)

        routes = [Route(new_id(), new_id(), pattern=Counted({"n": [number]})) for number in range(100)]
        rows = {it.subscription_id: RouteEntry("", it, ("b",)) for it in routes}
        before = RouteTable(1, rows)
        assert len(before.find("b", lambda: {"n": 5})) == 1
        counted = len(compiled)
        other = Route(new_id(), new_id())
        after = RouteTable(2, rows | {other.subscription_id: RouteEntry("", other, ("c",))}, known=before)
        assert len(after.find("b", lambda: {"n": 5})) == 1
        assert len(compiled) == counted
