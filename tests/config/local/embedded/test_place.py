"""Test the directories of embedded servers: reachable for their user, private, and with short socket paths.

Run as root, each test is about a user who cannot reach pytest's directories; otherwise about the current user.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.local.embedded.place import LONGEST_SOCKET, EmbeddedError, Place


@pytest.fixture(params=["closed", "open"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """Return a place in a private temporary directory, and one in a directory that others may pass through."""
    with tempfile.TemporaryDirectory() as above:
        if request.param == "open":
            Path(above).chmod(0o711)
        place = Place("thing", Path(above) / "data")
        yield place
        place.remove()


def test_prepare_makes_directories_only_the_servers_user_may_enter(place: Place) -> None:
    place.prepare()
    assert place.reaches(place.home)
    for directory in (place.home, place.sockets):
        found = directory.stat()
        assert found.st_mode & 0o777 == 0o700
        assert found.st_uid == (place.user.pw_uid if place.user else os.geteuid())


def test_prepare_gives_the_home_to_a_user_other_than_root(place: Place) -> None:
    place.prepare()
    assert place.home.stat().st_uid != 0


def test_prepare_keeps_the_modes_of_directories_above(place: Place) -> None:
    above = place.data.parent
    modes = [directory.stat().st_mode for directory in (above, *above.parents)]
    place.prepare()
    assert [directory.stat().st_mode for directory in (above, *above.parents)] == modes


def test_second_place_finds_the_same_home(place: Place) -> None:
    place.prepare()
    first = place.home
    Place("thing", place.data).prepare()
    assert Place("thing", place.data).home == first


def test_remove_deletes_home_sockets_and_link(place: Place) -> None:
    place.prepare()
    home, sockets = place.home, place.sockets
    (home / "file").write_text("")
    place.remove()
    assert not home.exists()
    assert not sockets.exists()
    assert not (place.data / "thing").exists()


def test_socket_path_is_short_for_a_long_data_directory(place: Place) -> None:
    far = Place("thing", place.data / ("d" * 60) / ("e" * 60))
    far.prepare()
    assert len(bytes(far.sockets / ".s.PGSQL.5432")) <= LONGEST_SOCKET
    assert far.reaches(far.sockets)
    far.remove()
    assert not far.sockets.exists()


def test_prepare_rejects_a_socket_directory_of_another_user(place: Place) -> None:
    place.prepare()
    place.sockets.rmdir()
    place.sockets.symlink_to(place.data)
    with pytest.raises(EmbeddedError, match="another user"):
        place.prepare()
    place.sockets.unlink()


def test_prepare_raises_if_the_home_was_deleted(place: Place) -> None:
    place.link.parent.mkdir(parents=True)
    place.link.symlink_to(place.data / "gone")
    with pytest.raises(EmbeddedError, match="gone"):
        place.prepare()


def test_prepare_raises_one_line_if_the_data_directory_is_not_writable(place: Place) -> None:
    place.data.write_text("a file")
    with pytest.raises(EmbeddedError) as caught:
        place.prepare()
    assert str(place.data) in str(caught.value)
    assert "\n" not in str(caught.value)
    place.data.unlink()


def test_programs_copies_unreachable_programs_once(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "packed" / "bin" / "program"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.syspath_prepend(tmp_path)
    place.prepare()
    found = place.programs("psutil", "packed", "packed")
    assert place.reaches(found / "bin")
    assert (found / "bin" / "program").stat().st_mode & 0o777 == 0o755
    created = found.stat().st_ctime_ns
    assert place.programs("psutil", "packed", "packed").stat().st_ctime_ns == created


def test_programs_names_a_missing_package(place: Place) -> None:
    with pytest.raises(EmbeddedError, match="no_such_package"):
        place.programs("no-such-package", "no_such_package")
