"""Where servers live: within reach of their user, in directories of ours, below short names.

As root every test is about a user who cannot reach what pytest made; as anybody else, about oneself.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.local.embedded.place import LONGEST_SOCKET, EmbeddedError, Place


@pytest.fixture(params=["closed", "open"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """In a private temporary directory, and in one that others may pass through."""
    with tempfile.TemporaryDirectory() as above:
        if request.param == "open":
            Path(above).chmod(0o711)
        place = Place("thing", Path(above) / "data")
        yield place
        place.remove()


def test_the_home_is_open_to_the_servers_user_and_to_nobody_else(place: Place) -> None:
    place.prepare()
    assert place.reaches(place.home)
    for directory in (place.home, place.sockets):
        found = directory.stat()
        assert found.st_mode & 0o777 == 0o700
        assert found.st_uid == (place.user.pw_uid if place.user else os.geteuid())


def test_root_is_not_the_servers_user(place: Place) -> None:
    place.prepare()
    assert place.home.stat().st_uid != 0


def test_directories_that_are_not_ours_stay_as_they_are(place: Place) -> None:
    above = place.data.parent
    modes = [directory.stat().st_mode for directory in (above, *above.parents)]
    place.prepare()
    assert [directory.stat().st_mode for directory in (above, *above.parents)] == modes


def test_every_process_finds_the_same_home(place: Place) -> None:
    place.prepare()
    first = place.home
    Place("thing", place.data).prepare()
    assert Place("thing", place.data).home == first


def test_removing_leaves_nothing_wherever_it_lies(place: Place) -> None:
    place.prepare()
    home, sockets = place.home, place.sockets
    (home / "file").write_text("")
    place.remove()
    assert not home.exists()
    assert not sockets.exists()
    assert not (place.data / "thing").exists()


def test_a_socket_has_a_short_name_however_long_the_data_directorys(place: Place) -> None:
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


def test_a_home_that_is_gone_is_not_silently_replaced(place: Place) -> None:
    place.link.parent.mkdir(parents=True)
    place.link.symlink_to(place.data / "gone")
    with pytest.raises(EmbeddedError, match="gone"):
        place.prepare()


def test_a_data_directory_that_cannot_be_written_is_one_line(place: Place) -> None:
    place.data.write_text("a file")
    with pytest.raises(EmbeddedError) as caught:
        place.prepare()
    assert str(place.data) in str(caught.value)
    assert "\n" not in str(caught.value)
    place.data.unlink()


def test_programs_out_of_reach_are_copied_once(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "packed" / "bin" / "program"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.syspath_prepend(tmp_path)
    place.prepare()
    found = place.programs("psutil", "packed", "packed")
    assert place.reaches(found / "bin")
    assert (found / "bin" / "program").stat().st_mode & 0o777 == 0o755
    born = found.stat().st_ctime_ns
    assert place.programs("psutil", "packed", "packed").stat().st_ctime_ns == born


def test_a_package_that_is_missing_is_named(place: Place) -> None:
    with pytest.raises(EmbeddedError, match="no_such_package"):
        place.programs("no-such-package", "no_such_package")
