"""`manage.py demo` as a stranger runs it: what it says, what it counts, and that a wrong count is not passed over."""

import os
import re
import socket
import subprocess
import sys

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from config.local.demo import counts, given
from tests.processes import run

KEPT = ("PATH", "HOME", "LANG")


def run_demo(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """In a process of its own, without anything of the test's environment."""
    return run(
        [sys.executable, "manage.py", "demo", "--exit", *arguments],
        cwd=settings.BASE_DIR,
        env={name: os.environ[name] for name in KEPT if name in os.environ},
        stdin=subprocess.DEVNULL,
        text=True,
    )


def test_every_count_is_what_it_must_be() -> None:
    demo = run_demo()
    assert demo.returncode == 0, demo.stdout + demo.stderr
    events = len(given.read(given.ORDER)) + 1
    found = {name.strip(): int(number.replace(",", "")) for name, number in LINE.findall(demo.stdout)}
    large = found.pop("bytes claimed")
    assert large > counts.INLINE_MAX
    gone = found["attempts"] - 5 * events  # answered 410: one at least, and then it was switched off
    assert 1 <= gone <= events
    assert found == {
        "events": events,
        "duplicates refused": 3,
        "deliveries": 3 * events,
        "delivered": 3 * events,
        "attempts": 5 * events + gone,  # one at our own receiver, three at the one that stumbles, one replayed
        "retries": 2 * events,
        "dead": events,
        "replayed": events,
        "receipts": events,
        "signatures": 4 * events + gone,
        "bodies unchanged": 3 * events,
        "data unchanged": events,
    }
    assert demo.stdout.endswith("Every count is what it must be.\n")


LINE = re.compile(r"^ +ok +([a-z ]+?) {2,}([0-9,]+) ", re.MULTILINE)


def test_a_count_that_is_not_what_it_must_be_fails_and_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("WAYPOST_DATA")
    monkeypatch.setattr(counts, "ENDPOINTS", 4)
    events = len(given.read(given.ORDER)) + 1
    with pytest.raises(CommandError) as failed:
        call_command("demo", "--exit")
    assert f"deliveries: {3 * events}, must be {4 * events}" in str(failed.value)
    assert "receipts" not in str(failed.value)
    assert "Every count" not in capsys.readouterr().out


def test_a_port_that_is_taken_is_one_clear_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        demo = run_demo("--port", str(port))
    assert demo.returncode == 1
    assert demo.stderr.count("\n") == 1
    assert f"cannot listen on 127.0.0.1 port {port}" in demo.stderr
