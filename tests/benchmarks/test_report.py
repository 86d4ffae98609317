"""Test the table of results."""

from benchmarks.report import markdown
from benchmarks.result import Check, Cost, Latency, Result


def line(result: Result) -> list[str]:
    table = markdown({}, [result]).splitlines()
    return [cell.strip() for cell in next(row for row in table if row.startswith(f"| {result.name}")).split("|")[1:-1]]


def test_row_has_its_figures_and_the_programs_that_used_much_of_the_cpu() -> None:
    cost = Cost({"web": 3.0, "postgres": 1.0, "beat": 0.01}, 2_000_000)
    result = Result(
        1_000, 1_234.56, Latency(1.25, 250.4), cost, aim=Check("at least 2,000 requests/s", False), name="it"
    )
    aim = "**missed**: at least 2,000 requests/s"
    assert line(result) == ["it", "1,234.6", "1.2", "250", "4,010", "postgres 1,000, web 3,000", "2,000", aim]


def test_row_without_latency_leaves_its_cells_empty() -> None:
    result = Result(1_000, 5.0, cost=Cost({"web": 1.0}, 0), name="it")
    assert line(result) == ["it", "5.0", "", "", "1,000", "web 1,000", "0.0", ""]


def test_failed_row_shows_no_figures_and_its_reason_below() -> None:
    result = Result(1_000, 5.0, name="it", checks=[Check("all arrived", False, "9 of 10"), Check("other", True)])
    assert line(result)[:3] == ["it", "failed", ""]
    assert "- it failed: all arrived: 9 of 10\n" in markdown({}, [result])


def test_ratios_and_notes_are_below_the_table() -> None:
    result = Result(1_000, 5.0, name="it", usual="usual", rate_ratio=41.66, cpu_ratio=66.8, notes=["flat"])
    text = markdown({"processors": "2", "memory": "24 GiB"}, [result])
    assert text.startswith("Measured: processors 2; memory 24 GiB.\n")
    assert "- it: 41.7 times the rate of `usual`, with 66.8 times less CPU each\n- it: flat\n" in text
