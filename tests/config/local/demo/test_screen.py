"""The screen of the demo."""

import pytest

from config.local.demo.counts import Count
from config.local.demo.screen import Screen


def test_table_shows_whole_numbers_in_a_narrow_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    Screen().table([Count("bytes in storage", 74_489, 74_490, "bodies over 64 KiB, and what else is kept there")])
    shown = capsys.readouterr().out
    assert [it for it in ("found", "expected", "74,489", "74,490") if it not in shown] == []
