"""Test what `up` does before Django is loaded."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from config.local import launch
from config.local.process_guard import FAMILY
from config.local.process_title import PADDING
from config.management.commands.up import Command


def options_of(parser: Any) -> set[str]:
    return {name for action in parser._actions for name in action.option_strings}


def test_parser_knows_the_arguments_of_the_command() -> None:
    django = options_of(Command().create_parser("manage.py", "up"))
    assert options_of(launch.parser()) == django - {"-h", "--help", "--version"}


def test_full_disk_of_the_data_directory_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setenv("WAYPOST_DATA", str(tmp_path))
    monkeypatch.setenv(FAMILY, f"{tmp_path / 'up'}{PADDING}")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=launch.MIN_FREE - 1))
    monkeypatch.setattr(launch, "set_title", lambda _: None)
    with pytest.raises(launch.CannotRun, match=f"disk of the data directory {tmp_path} is full; free some space"):
        launch.begin(["up", "--programs", "deliver"])
