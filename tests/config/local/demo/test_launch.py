"""The demo runs on nothing of the developer's."""

from pathlib import Path

import pytest

from config.local.demo import launch


def test_of_the_platforms_settings_none_is_passed_on_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    theirs = {
        "DATABASE_URL": "postgresql://production/waypost",
        "REDIS_URL": "redis://production",
        "WAYPOST_STORAGE_URL": "s3://production",
        "WAYPOST_ENV": "production",
        "SECRET_KEY": "x",
    }
    for name, value in {**theirs, "LANG": "C.UTF-8"}.items():
        monkeypatch.setenv(name, value)
    environment = launch._environment(tmp_path)
    assert theirs.items().isdisjoint(environment.items())
    assert environment["LANG"] == "C.UTF-8"
    assert environment["WAYPOST_DATA"] == str(tmp_path)
