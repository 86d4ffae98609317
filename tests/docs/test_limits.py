"""Compare the table of limits (docs/reference/limits.md) with the plan, the settings and the constants of the code."""

import math
import re
from pathlib import Path

import pytest
from django.db.models.fields import NOT_PROVIDED

from delivery.reading import tenant_limits
from subscriptions.models import Endpoint, Plan
from webhooks.models import Source

ROOT = Path(__file__).resolve().parents[2]
NAME = re.compile(r"`(\w+)`")
CONSTANT = re.compile(r"^_?([A-Z][A-Z0-9_]+)(?:: [^=]+)? = ", re.MULTILINE)
SETTING = re.compile(r'env\.integer\(\s*"(WAYPOST_\w+)", ([0-9_*\s]+|SIZES\.\w+)[,)]')
BY_MACHINE = "by machine"  # the default of a setting that config/local/sizes.py computes
UNITS = {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
NO_LIMIT_OF_A_PLAN = {"id", "uid", "name", "is_default", "created_at", "updated_at", "endpoint_types"}
NO_LIMIT_OF_THE_OPERATOR = {
    *("WAYPOST_HSTS_SECONDS", "WAYPOST_DISABLE_AFTER_DAYS", "WAYPOST_DISABLE_AFTER_FAILURES"),
    "WAYPOST_METRICS_PORT",
    "WAYPOST_AUDIT_DAYS",
}
LINES = (ROOT / "docs/reference/limits.md").read_text().splitlines()
ROWS = [[cell.strip() for cell in line[1:-1].split("|")] for line in LINES if line.startswith("|")]


def names_set_by(word: str) -> set[str]:
    """Return the names in the rows whose limit is set there."""
    return {name for limit, _, place, *_ in ROWS if place.startswith(word) for name in NAME.findall(limit)}


def code_constants() -> set[str]:
    """Return the names of all constants of the product."""
    rooms = ("webhooks", "subscriptions", "delivery", "config")
    files = [file for room in rooms for file in (ROOT / room).rglob("*.py")]
    return {name for file in files for name in CONSTANT.findall(file.read_text())}


def test_row_has_five_columns() -> None:
    assert {len(row) for row in ROWS} == {5}


def test_limit_of_a_plan_has_a_row_and_every_such_row_a_field() -> None:
    assert names_set_by("plan") == {field.name for field in Plan._meta.concrete_fields} - NO_LIMIT_OF_A_PLAN


def test_setting_that_is_a_number_has_a_row_and_every_such_row_a_setting() -> None:
    settings = (ROOT / "config/settings.py").read_text()
    numbers = set(re.findall(r'env\.integer\(\s*"(WAYPOST_\w+)"', settings))
    assert names_set_by("setting") == numbers - NO_LIMIT_OF_THE_OPERATOR


def test_tenant_sees_every_limit_of_its_plan_and_of_the_operator() -> None:
    assert set(tenant_limits.OF_A_PLAN) == names_set_by("plan")
    limits = {name for name in names_set_by("setting") if not name.endswith(("_WORKERS", "_THREADS"))}
    assert set(tenant_limits.OF_THE_OPERATOR) == limits, "complete OF_THE_OPERATOR in delivery/reading/tenant_limits.py"


def test_default_in_a_row_is_that_of_the_setting_or_of_the_plan() -> None:
    text = (ROOT / "config/settings.py").read_text()
    defaults: dict[str, object] = {
        name: BY_MACHINE if default.startswith("SIZES") else product(default)
        for name, default in re.findall(SETTING, text)
    }
    defaults |= {name: Plan._meta.get_field(name).default for name in names_set_by("plan")}
    rows = {limit.strip("`"): default for limit, default, place, *_ in ROWS if place in ("plan", "setting")}
    assert {name: size_of(default) for name, default in rows.items()} == {
        name: None if defaults[name] is NOT_PROVIDED else defaults[name] for name in rows
    }


def product(text: str) -> int:
    """Return the value of factors as the settings write them: ``16 * 1024**2``."""
    factors = [factor.split("**") for factor in text.replace(" ** ", "**").split(" * ")]
    return math.prod(int(base) ** int(power[0] if power else 1) for base, *power in factors)


def size_of(default: str) -> int | str | None:
    """Return the number at the beginning of a default, in bytes if it has a binary unit; None for ``none``."""
    if default == "none":
        return None
    if default == BY_MACHINE:
        return default
    number, _, rest = default.replace(",", "").partition(" ")
    return int(number.rstrip(";")) * UNITS.get(rest[:3], 1)


@pytest.mark.parametrize("model", [Endpoint, Source], ids=["endpoint", "source"])
def test_field_named_in_a_row_is_a_field_of_the_model(model: type[Endpoint] | type[Source]) -> None:
    fields = {field.name for field in model._meta.concrete_fields}
    assert names_set_by(model.__name__.lower()) <= fields


def test_constant_named_in_a_row_is_in_the_code() -> None:
    named = {name for _, _, place, *_ in ROWS if place.startswith("constant") for name in NAME.findall(place)}
    assert len(named) > 30
    assert named <= code_constants()
