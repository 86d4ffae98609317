"""Test the table of results."""

from benchmarks.report import markdown
from benchmarks.result import Check, Cost, Figure, Latency, Result


def lines(*results: Result) -> list[list[str]]:
    table = [line for line in markdown({}, list(results)).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table[2:]]


def test_row_has_a_line_for_each_figure_and_its_name_in_the_first() -> None:
    result = Result(1_000, 1_234.56, Latency(1.25, 250.4), Cost({"web": 3.0, "postgres": 1.0}, 0), name="it")
    assert lines(result) == [
        ["it", "rate, deliveries/s", "", "1,235", "", ""],
        ["", "p50, ms", "", "1.2", "", ""],
        ["", "p99, ms", "", "250", "", ""],
        ["", "CPU, ms per 1,000", "", "4,000", "", ""],
    ]


def test_aim_is_beside_its_figure_which_is_bold_where_it_is_missed() -> None:
    aims = {"rate": 2_000.0, "p50": 2.0}
    result = Result(1_000, 1_234.0, Latency(1.25, 9.0), name="it", aims=aims)
    assert [line[2:4] for line in lines(result)] == [["2,000", "**1,234**"], ["2.0", "1.2"], ["", "9.0"]]


def test_usual_way_is_beside_each_figure_it_has_with_the_ratio_in_the_better_direction() -> None:
    more = {"memory": Figure(100.0, "MiB"), "arrived": Figure(600.0, "of 600", more_is_better=True)}
    usual = Result(10, 50.0, more={"memory": Figure(400.0, "MiB")}, notes=["slow"])
    result = Result(1_000, 500.0, more=more, name="it", usual=usual)
    assert [line[4:] for line in lines(result)] == [["50.0", "10.0"], ["400", "4.0"], ["", ""]]
    assert "- it: the usual way: slow\n" in markdown({}, [result])


def test_failed_rows_show_no_figures_and_their_reasons_below() -> None:
    failed = [Check("all arrived", False, "9 of 10"), Check("other", True)]
    ours, half = (
        Result(1_000, 5.0, name="it", checks=failed),
        Result(1, 5.0, name="half", usual=Result(1, checks=failed)),
    )
    assert lines(ours, half) == [
        ["it", "**failed**", "", "", "", ""],
        ["half", "rate, deliveries/s", "", "5.0", "", ""],
    ]
    text = markdown({}, [ours, half])
    assert "- it failed: all arrived: 9 of 10\n" in text
    assert "- half, the usual way, failed: all arrived: 9 of 10\n" in text


def test_notes_below_the_table_have_the_facts_and_the_programs_that_used_much_of_the_cpu() -> None:
    cost = Cost({"web": 3.0, "postgres": 1.0, "valkey": 0.01}, 2_000_000)
    result = Result(1_000, 5.0, cost=cost, name="it", notes=["flat"], aim=Check("p99 as before", False))
    text = markdown({"processors": "2", "memory": "24 GiB"}, [result])
    assert text.startswith("Measured: processors 2; memory 24 GiB.\n")
    assert "- it: CPU, ms per 1,000: postgres 1,000, web 3,000; 2,000 bytes of log each\n" in text
    assert "- it: aim **missed**: p99 as before\n- it: flat\n" in text
