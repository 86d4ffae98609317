"""Upgrade a running platform: old and new processes share the work, then the old ones are stopped one after the other.

The old version is the oldest commit that has the migrations of today's first ones, taken from the history of this
repository. Without that history (a shallow clone, an unpacked archive) both are today's code, and the test says so.
"""

import io
import os
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
from cryptography.fernet import Fernet

from tests.faults.running_platform import ROOT, Platform
from tests.history import git, oldest_commit
from tests.journeys.publishers import Publishers
from tests.postgres_server import postgres_server
from tests.receiver import Receiver, slow
from tests.valkey_server import valkey_server
from tests.waiting import wait_until

PUBLISHERS = 4
PHASE = 60  # events that are accepted in each phase: old ones alone, both, new ones alone
TAKES = 0.05  # seconds for each request, so that some are in flight when a process is stopped
SIZES = {f"WAYPOST_{name}_WORKERS": "1" for name in ("WEB", "DELIVERY", "DEFAULT")}


class Version(NamedTuple):
    """The directory of a version, and which one it is."""

    root: Path
    name: str


@pytest.fixture
def old_version() -> Iterator[Version]:
    """Return the checkout of the oldest version that works with today's tables."""
    commit = oldest_commit()
    if not commit:  # the terminal summary says so
        yield Version(ROOT, "today's")
        return
    with tempfile.TemporaryDirectory(prefix="waypost-old-") as folder:
        Path(folder).chmod(0o755)
        with tarfile.open(fileobj=io.BytesIO(git("archive", commit))) as packed:
            packed.extractall(folder, filter="data")
        yield Version(Path(folder), commit[:8])


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="waypost-upgrade-") as made:
        Path(made).chmod(0o711)
        yield Path(made)


def names_of(receiver: Receiver) -> list[str]:
    return [it.body.split(b'"number":"')[1].split(b'"')[0].decode() for it in list(receiver.arrivals)]


def test_events_published_during_an_upgrade_are_delivered_once(old_version: Version, folder: Path) -> None:
    with ExitStack() as stack:
        admin, _ = stack.enter_context(postgres_server(max_connections="200"))
        environment = {
            **SIZES,
            "SECRET_KEY": os.urandom(32).hex(),
            "WAYPOST_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
            "DATABASE_URL": admin.replace("/postgres?", "/waypost?"),
            "REDIS_URL": f"redis://{stack.enter_context(valkey_server())}/0",
        }

        def platform(name: str, root: Path) -> Platform:
            (folder / name).mkdir(mode=0o711)
            return Platform(folder / name, environment, root=root)

        receiver = stack.enter_context(Receiver())
        receiver.script("/", slow(TAKES))
        first = stack.enter_context(platform("old1", old_version.root))
        second = platform("old2", old_version.root)
        second.api_key = first.api_key
        stack.callback(second.__exit__)
        second.up()
        first.post("endpoints", url=receiver.url("/"), subscriptions=[{"event_types": ["order.*"]}])
        targets = [first, second]
        publishers = Publishers(targets, PUBLISHERS)
        stack.callback(publishers.stop)

        def accept_more() -> None:
            until = len(publishers.accepted) + PHASE
            wait_until(lambda: len(publishers.accepted) >= until, "accepted events")

        accept_more()
        new = platform("new", ROOT)
        new.api_key = first.api_key
        stack.callback(new.__exit__)
        done = new.manage("upgrade", "--backup", str(folder / "backup"))
        assert done.returncode == 0, done.stdout + done.stderr
        accept_more()
        new.up()
        targets.append(new)
        accept_more()
        for one in (second, first):
            targets.remove(one)
            one.down()  # SIGTERM: what is in flight is finished
            accept_more()
        publishers.stop()
        accepted = set(publishers.accepted)
        assert len(accepted) >= 5 * PHASE
        wait_until(lambda: states(environment["DATABASE_URL"]).keys() == {"delivered"}, "every delivery")
        names = names_of(receiver)
        assert [it for it in names if names.count(it) > 1] == []
        assert accepted <= set(names)
        assert len(names) == states(environment["DATABASE_URL"])["delivered"]
        print(f"old: {old_version.name}; {len(accepted)} events, each once")


def states(url: str) -> dict[str, int]:
    """Return how many deliveries are in each state."""
    with psycopg.connect(url) as connection:
        return dict(connection.execute("SELECT state, count(*) FROM delivery_delivery GROUP BY state").fetchall())
