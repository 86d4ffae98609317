"""Test the launch: no setting of the caller is passed on, and one line says why the platform ended."""

import sys
from pathlib import Path

import pytest

from config.local.demo import launch
from config.local.demo.launch import CannotLaunch, Platform
from tests.processes import guard, start


def test_environment_passes_no_setting_of_the_platform_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    theirs = {
        "DATABASE_URL": "postgresql://production/waypost",
        "REDIS_URL": "redis://production",
        "WAYPOST_STORAGE_URL": "s3://production",
        "WAYPOST_ENV": "production",
        "SECRET_KEY": "x",
    }
    for name, value in {**theirs, "LANG": "C.UTF-8"}.items():
        monkeypatch.setenv(name, value)
    environment = launch.environment(tmp_path)
    assert theirs.items().isdisjoint(environment.items())
    assert environment["LANG"] == "C.UTF-8"
    assert environment["WAYPOST_DATA"] == str(tmp_path)


def test_platform_that_ended_is_reported_with_its_last_line(tmp_path: Path) -> None:
    (tmp_path / "demo.log").write_text("starting\nCommandError: cannot listen on 127.0.0.1 port 80\n")
    ended = start([sys.executable, "-c", "raise SystemExit(1)"])
    ended.wait()
    with pytest.raises(CannotLaunch) as caught:
        Platform(tmp_path, "http://127.0.0.1:1", ended, guard()).wait_until_ready()
    assert str(caught.value) == "the platform ended: cannot listen on 127.0.0.1 port 80"
