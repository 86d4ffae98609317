"""Test `manage.py demo` as a newcomer runs it: its counts, and that a wrong count fails."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from config.local.demo import counts, events
from tests.docs.inventory import block_for
from tests.processes import run

KEPT = ("PATH", "HOME", "LANG")


def run_demo(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the demo in a process without the test's environment."""
    return run(
        [sys.executable, "manage.py", "demo", "--exit", *arguments],
        cwd=settings.BASE_DIR,
        env={name: os.environ[name] for name in KEPT if name in os.environ},
        stdin=subprocess.DEVNULL,
        text=True,
    )


def test_demo_ends_with_every_count_as_expected() -> None:
    demo = run_demo()
    assert demo.returncode == 0, demo.stdout + demo.stderr
    published = len(events.built_in())
    found = {name.strip(): int(number.replace(",", "")) for name, number in LINE.findall(demo.stdout)}
    large = found.pop("bytes in storage")
    assert large > counts.INLINE_MAX
    gone = found["attempts"] - 5 * published  # got 410: at least one, then the endpoint was disabled
    assert 1 <= gone <= published
    assert found == {
        "events": published,
        "duplicates": 3,
        "deliveries": 3 * published,
        "delivered": 3 * published,
        "attempts": 5 * published + gone,  # one to our receiver, three to the flaky endpoint, one replayed
        "retries": 2 * published,
        "dead letters": published,
        "replayed": published,
        "receipts": published,
        "signatures": 4 * published + gone,
        "bodies unchanged": 3 * published,
        "data unchanged": published,
        "at globex": 1,
        "at initech": 0,
        "alerts": 1,
        "alerts over": 1,
    }
    assert demo.stdout.endswith("Every count is as expected.\n")
    assert shape_of(demo.stdout) == shape_of(block_for("demo-output").text)


def test_demo_with_sources_shows_an_event_of_each() -> None:
    demo = run_demo("--sources")
    assert demo.returncode == 0, demo.stdout + demo.stderr
    found = {name.strip(): number for name, number in LINE.findall(demo.stdout)}
    arrived = {name.removeprefix("from "): number for name, number in found.items() if name.startswith("from ")}
    assert arrived == dict.fromkeys(("schedule", "outbox", "change", "kafka", "bucket"), "1")
    assert demo.stdout.endswith("Every count is as expected.\n")


def shape_of(output: str) -> list[str]:
    """Return the lines of the demo without what differs from run to run: numbers, ids, the width of columns."""
    lines = [re.sub(r"src_\w+|demo-\w+|[\d,.]+", "#", re.sub(r"[━╸╺]+", "━", line)) for line in output.splitlines()]
    return [" ".join(line.split()) for line in lines if line.strip()]


LINE = re.compile(r"^ +ok +([a-z ]+?) {2,}([0-9,]+) ", re.MULTILINE)


def test_demo_with_a_wrong_count_fails_and_names_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(counts, "ENDPOINTS", 4)
    published = len(events.built_in())
    with pytest.raises(CommandError) as failed:
        call_command("demo", "--exit")
    assert f"deliveries: found {3 * published}, expected {4 * published}" in str(failed.value)
    assert "receipts" not in str(failed.value)
    assert "Every count" not in capsys.readouterr().out


def test_demo_on_an_unusable_file_fails_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "events").write_text('{"type": "a"}\n{"typ": "b"}\n')
    demo = run_demo("--events", str(tmp_path / "events"))
    assert demo.returncode == 1
    assert demo.stderr.count("\n") == 1
    assert "line 2: not an event" in demo.stderr
