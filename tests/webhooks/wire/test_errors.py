"""Check which known name is suggested for a misspelt one."""

import pytest

from webhooks.wire.errors import did_you_mean

KNOWN = ("data", "type", "eventTypes", "retry_plan")


@pytest.mark.parametrize(
    ("name", "meant"),
    [("dat", "data"), ("Data", "data"), ("tpye", "type"), ("event_types", "eventTypes"), ("retryplan", "retry_plan")],
)
def test_misspelt_name_suggests_the_known_one(name: str, meant: str) -> None:
    assert did_you_mean(name, KNOWN) == f'did you mean "{meant}"?'


@pytest.mark.parametrize("name", ["", "x", "colour", "deliverat", "data" * 1000])
def test_name_that_resembles_none_suggests_nothing(name: str) -> None:
    assert did_you_mean(name, KNOWN) == ""
