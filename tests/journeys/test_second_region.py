"""A second region: the primary's machine dies while events are published, and the replica takes over.

What docs/how-to/deploy.md says of a synchronous replica: no event that was accepted is lost, and those that the first
region had sent without storing the result are sent again, with the same id and the same bytes.
"""

import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from cryptography.fernet import Fernet
from psutil import Process

from config.local.embedded import POSTGRES
from config.local.embedded.place import Place
from tests.faults.running_platform import Platform
from tests.journeys.publishers import Publishers
from tests.processes import run, start
from tests.receiver import Receiver
from tests.waiting import wait_until

STANDBY = "second"
REPLICATED = {"max_wal_senders": "4"}
PUBLISHERS = 4
BEFORE, AFTER = 150, 20  # events that are accepted before the first region dies, and by the second one


class Database:
    """A server of its own, in a directory of its own."""

    def __init__(self, folder: Path) -> None:
        self.place = Place("postgres", folder)
        self.place.prepare()

    @property
    def url(self) -> str:
        return f"postgresql://waypost@/waypost?host={self.place.sockets}"

    @contextmanager
    def running(self, **settings: str) -> Iterator[None]:
        options = [f"--{name}={value}" for name, value in {"shared_buffers": "32MB", **settings}.items()]
        server = start([*POSTGRES.command(self.place), *options], cwd="/", **self.place.identity)
        try:
            wait_until(lambda: POSTGRES.is_ready(self.place, server.pid), "PostgreSQL")
            yield
        finally:
            server.kill()
            server.wait()

    def admit_replicas(self) -> None:
        """Let the user that the servers run as replicate."""
        cluster, user = self.place.home / "cluster", self.place.user
        with (cluster / "pg_hba.conf").open("a") as rules:
            rules.write("local replication waypost peer map=waypost\n")
        if user is not None:
            with (cluster / "pg_ident.conf").open("a") as names:
                names.write(f'waypost "{user.pw_name}" waypost\n')

    def kill(self) -> None:
        """End it as a power failure does: the postmaster, and all that it has started."""
        pid = int((self.place.home / "cluster" / "postmaster.pid").read_text().splitlines()[0])
        for one in [Process(pid), *Process(pid).children(recursive=True)]:
            one.kill()

    def copy_to(self, other: "Database") -> None:
        """Make the other one a replica of this one, under the name STANDBY."""
        program = Path(POSTGRES.command(self.place)[0]).with_name("pg_basebackup")
        source = f"host={self.place.sockets} user=waypost application_name={STANDBY}"
        target = str(other.place.home / "cluster")
        command = [str(program), "--dbname", source, "--pgdata", target, "--write-recovery-conf", "--checkpoint=fast"]
        done = run(command, cwd="/", text=True, **self.place.identity)
        assert done.returncode == 0, done.stderr

    def ask(self, question: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(question.encode()).fetchall()


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a directory that the user of the servers may pass through."""
    made = Path(tempfile.mkdtemp(prefix="waypost-regions-"))
    for each in (made, made / "one", made / "two"):
        each.mkdir(exist_ok=True)
        each.chmod(0o711)
    yield made
    for place in (Place("postgres", made / name) for name in ("first", "second")):
        place.remove()
    shutil.rmtree(made)


def test_second_region_delivers_all_that_the_first_accepted(folder: Path) -> None:
    secrets = {"SECRET_KEY": os.urandom(32).hex(), "WAYPOST_ENCRYPTION_KEYS": Fernet.generate_key().decode()}
    first, second = (Database(folder / name) for name in ("first", "second"))
    POSTGRES.prepare(first.place)
    first.admit_replicas()
    with Receiver() as receiver, ExitStack() as stack:
        stack.enter_context(first.running(**REPLICATED))
        first.copy_to(second)
        stack.enter_context(second.running(**REPLICATED))
        with psycopg.connect(first.url, autocommit=True) as connection:
            connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{STANDBY}'".encode())
            connection.execute("SELECT pg_reload_conf()")
        wait_until(
            lambda: first.ask("SELECT sync_state FROM pg_stat_replication") == [("sync",)], "the synchronous replica"
        )
        one = stack.enter_context(Platform(folder / "one", {**secrets, "DATABASE_URL": first.url}))
        one.post("endpoints", url=receiver.url("/"), subscriptions=[{"event_types": ["order.*"]}])
        publishers = Publishers([one], PUBLISHERS)
        wait_until(lambda: len(publishers.accepted) >= BEFORE, "accepted events")
        first.kill()
        for process in one.processes():
            process.kill()
        publishers.stop()

        assert second.ask("SELECT pg_promote()") == [(True,)]
        with psycopg.connect(second.url, autocommit=True) as connection:  # there is no replica of the second one yet
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = ''")
            connection.execute("SELECT pg_reload_conf()")
        two = Platform(folder / "two", {**secrets, "DATABASE_URL": second.url})
        two.api_key = one.api_key
        stack.callback(two.__exit__)
        two.up()
        later = [f"later-{number}" for number in range(AFTER)]
        for name in later:
            two.post("events", type="order.paid", id=name, data={"number": name})
        expected = {*publishers.accepted, *later}
        bodies: dict[str, set[bytes]] = defaultdict(set)

        def all_arrived() -> bool:
            return expected <= {it.body.split(b'"number":"')[1].split(b'"')[0].decode() for it in receiver.arrivals}

        wait_until(all_arrived, "every accepted event")
        for arrival in list(receiver.arrivals):
            bodies[arrival.message_id].add(arrival.body)
        assert all(len(it) == 1 for it in bodies.values())
