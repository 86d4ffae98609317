"""The page of the metrics lists all of them, with help, unit and labels, as the code defines them."""

import os
import re
from pathlib import Path

import pytest

from tests.config.metrics.metrics_page import EVENTBRIDGE, Shown, counters, gauges, page

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "metrics.md"
SHOWN = [*counters(), *gauges()]


def test_page_is_what_the_metrics_make_of_it() -> None:
    """Run with WAYPOST_WRITE_METRICS=1 to write the page anew."""
    if os.environ.get("WAYPOST_WRITE_METRICS"):
        PAGE.write_text(page(PAGE.read_text()))
    assert PAGE.read_text() == page(PAGE.read_text()), "run this test with WAYPOST_WRITE_METRICS=1"


def test_names_of_eventbridge_belong_to_metrics() -> None:
    assert EVENTBRIDGE.keys() <= {it.name for it in SHOWN}


@pytest.mark.parametrize("shown", SHOWN, ids=lambda it: it.name)
def test_metric_follows_the_conventions_of_prometheus(shown: Shown) -> None:
    assert re.fullmatch(r"waypost(_[a-z]+)+", shown.name)
    assert shown.name.endswith("_total") == (shown.kind == "counter")
    assert not re.search(r"_(ms|milliseconds|minutes|kb|percent)(_|$)", shown.name), "use base units"
    assert re.fullmatch(r"[A-Z].*[.]", shown.help_text)
    assert not {"tenant", "endpoint", "id", "url"} & set(re.findall(r"`(\w+)`", shown.labels))


def test_names_are_unique() -> None:
    names = [it.name for it in SHOWN]
    assert len(names) == len(set(names))
