"""Check the filters of the admin's templates."""

import pytest

from delivery.templatetags.delivery_admin import as_json, milliseconds


@pytest.mark.parametrize(("count", "text"), [(0, "0 ms"), (999, "999 ms"), (1000, "1.0 s"), (15_000, "15.0 s")])
def test_milliseconds_are_written_in_the_unit_that_fits(count: int, text: str) -> None:
    assert milliseconds(count) == text


def test_values_are_written_as_json_and_cut() -> None:
    assert as_json(("é", 5, {"prefix": "x"})) == '"é", 5, {"prefix": "x"}'
    assert as_json(()) == "nothing"
    assert len(as_json(("x" * 500,))) == 201
