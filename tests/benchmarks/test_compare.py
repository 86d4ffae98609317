"""Test the comparison with a commit: turns, table, exit status, and one real comparison of a small repository."""

import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.compare import measure_in_turns, status, table
from benchmarks.comparison import Change, Measured
from benchmarks.deployment import ROOT
from benchmarks.result import Check, Result
from benchmarks.rows import Row
from tests.processes import run

LEFT_OUT = (".git", ".venv", ".waypost", "out", "__pycache__", ".*_cache", ".hypothesis", "docs")


def bench(side: str) -> Any:
    return SimpleNamespace(side=side, empty=lambda: None)


def row(measured: list[str], failing: str = "") -> Row:
    def measure(given: Any) -> Result:
        measured.append(given.side)
        return Result(1, 5.0, checks=[Check("all arrived", given.side != failing, "9 of 10")])

    return Row("it", "It", measure, fresh=True)


def test_sides_are_measured_in_turns_that_change_their_order(capsys: pytest.CaptureFixture[str]) -> None:
    measured: list[str] = []
    (found,) = measure_in_turns([row(measured)], {"base": bench("base"), "here": bench("here")}, rounds=3)
    assert measured == ["base", "here", "here", "base", "base", "here"]
    assert (len(found.pairs), found.failures) == (3, {})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines] == [f"{number:>3}/6" for number in range(1, 7)]
    assert "it, round 2 of 3, here: rate 5.0 deliveries/s" in lines[2]


@pytest.mark.parametrize(("failing", "expected"), [("base", 0), ("here", 1)])
def test_row_that_fails_is_measured_no_further_and_only_a_failure_here_is_an_error(failing: str, expected: int) -> None:
    measured: list[str] = []
    found = measure_in_turns([row(measured, failing)], {"base": bench("base"), "here": bench("here")}, rounds=3)
    assert measured == ["base", "here"]
    assert status([], found) == expected
    text = table("abc1234", [], found)
    assert f"- it could not be measured to the end; {failing}: FAILED: all arrived: 9 of 10\n" in text


def test_table_has_medians_and_spread_and_names_what_became_worse() -> None:
    found = [
        Change("drain", "CPU, ms per 1,000", 100.0, 200.0, [0.5, 0.51, 0.52, 0.49, 0.5]),
        Change("drain", "rate, deliveries/s", 100.0, 101.0, [1.0, 1.01, 1.02, 0.99, 1.0]),
    ]
    text = table("abc1234", found, [Measured("drain")])
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()[2:4]]
    assert cells[0] == ["drain", "CPU, ms per 1,000", "100", "200", "0.50", "0.49", "0.52", "**worse**"]
    assert cells[1] == ["drain", "rate, deliveries/s", "100", "101", "1.00", "0.99", "1.02", "same"]
    assert "Worse than abc1234: drain, CPU, ms per 1,000: 0.50 times as good.\n" in text
    assert (status(found, []), status(found[1:], [])) == (1, 0)
    assert "Nothing is worse than abc1234 beyond the noise.\n" in table("abc1234", found[1:], [])


def test_too_few_rounds_give_no_verdict() -> None:
    found = [Change("drain", "p50, ms", 1.0, 2.0, [0.5])]
    assert "Too few rounds to judge" in table("abc1234", found, [])
    assert status(found, []) == 0


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository of this tree with one commit."""
    made = tmp_path / "repository"
    shutil.copytree(ROOT, made, ignore=shutil.ignore_patterns(*LEFT_OUT))
    author = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "-A"], [*author, "commit", "-q", "-m", "first"]):
        assert run(["git", "-C", str(made), *command]).returncode == 0
    return made


def test_compare_measures_a_commit_and_this_tree_and_prints_the_table(repository: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.compare", "HEAD", "--rounds", "1", "--only", "hot-endpoint"]
    done = run(command, cwd=repository, env={**os.environ, "PYTHONPATH": ""}, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "  2/2, 0 min left: hot-endpoint, round 1 of 1, here: rate" in done.stdout
    written = (repository / "benchmarks" / "out" / "compare.md").read_text()
    assert written in done.stdout
    assert "| hot-endpoint | rate, deliveries/s" in written
    assert "Too few rounds to judge" in written


def test_variable_of_the_base_reaches_the_base_only_and_is_named(repository: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.compare", "HEAD", "--rounds", "1", "--only", "hot-endpoint"]
    variable = "WAYPOST_WEB_WORKERS=several"
    environment = {**os.environ, "PYTHONPATH": ""}
    done = run([*command, "--base-env", variable], cwd=repository, env=environment, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f" {variable}: 1 rows, 1 rounds." in done.stdout
    assert "Warming up, base: FAILED" in done.stdout
    assert "WAYPOST_WEB_WORKERS must be an integer" in done.stdout
    assert "Warming up, here: " in done.stdout
    assert "here: FAILED" not in done.stdout


@pytest.mark.parametrize(
    ("variable", "problem"),
    [
        ("WAYPOST_METRICS", "must be NAME=VALUE, such as WAYPOST_METRICS=no"),
        ("=no", "must be NAME=VALUE, such as WAYPOST_METRICS=no"),
        ("DATABASE_URL=postgresql://x/y", "DATABASE_URL must not be set: each side has files and servers of its own"),
        ("WAYPOST_DATA=/tmp", "WAYPOST_DATA must not be set: each side has files and servers of its own"),
    ],
)
def test_variable_that_cannot_be_set_is_refused(variable: str, problem: str) -> None:
    command = [sys.executable, "-m", "benchmarks.compare", "HEAD", "--base-env", variable]
    done = run(command, cwd=ROOT, text=True)
    assert done.returncode == 2
    assert done.stderr.endswith(f"argument --base-env: {problem}\n")


def test_unknown_commit_is_reported_with_status_2(repository: Path) -> None:
    done = run([sys.executable, "-m", "benchmarks.compare", "nonsense"], cwd=repository, text=True)
    assert done.returncode == 2
    assert done.stderr == "nonsense is no commit of this repository\n"
