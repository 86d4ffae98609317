"""Labels for tenants and endpoints exist only where the setting asks for them, and their number is bounded."""

import pytest

from webhooks.kit.metrics import broken_down
from webhooks.kit.metrics.broken_down import Breakdown
from webhooks.wire.ids import new_id, public

TENANT, ENDPOINT = new_id(), new_id()


@pytest.mark.parametrize(
    ("by", "names", "values"),
    [
        ("none", (), ()),
        ("tenant", ("tenant",), (public("tnt", TENANT),)),
        ("endpoint", ("tenant", "endpoint"), (public("tnt", TENANT), public("ep", ENDPOINT))),
    ],
    ids=["none", "tenant", "endpoint"],
)
def test_setting_decides_the_labels(by: str, names: tuple[str, ...], values: tuple[str, ...]) -> None:
    breakdown = Breakdown(by)
    assert (breakdown.names, breakdown.values(TENANT, ENDPOINT)) == (names, values)


def test_values_beyond_the_bound_are_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broken_down, "MAX_VALUES", 2)
    breakdown = Breakdown("tenant")
    ids = [new_id() for _ in range(3)]
    values = [breakdown.values(it) for it in ids]
    assert values == [(public("tnt", ids[0]),), (public("tnt", ids[1]),), ("other",)]
    assert breakdown.values(ids[0]) == values[0]


def test_unknown_tenant_is_other() -> None:
    assert Breakdown("endpoint").values(None, ENDPOINT) == ("other", "other")
