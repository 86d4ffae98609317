"""A real PgBouncer before the database: in session mode, and in transaction mode with the way around it.

The settings are those of docs/how-to/deploy.md.
"""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
from cryptography.fernet import Fernet

from tests.docs.inventory import block_for
from tests.faults.running_platform import Platform
from tests.journeys.publishers import Publishers
from tests.pgbouncer_server import PROGRAM, pgbouncer_server
from tests.postgres_server import postgres_server
from tests.receiver import Receiver
from tests.valkey_server import valkey_server
from tests.waiting import wait_until

PASSWORD = "sesame"
EVENTS = 200
PRESENT = [PROGRAM] if PROGRAM else []  # the terminal summary says if it is absent


class Servers(NamedTuple):
    """The addresses of the database, of the pooler before it, and of the broker, and a directory for platforms."""

    direct: str
    pooled: str
    broker: str
    folder: Path

    def platform(self, name: str, **environment: str) -> Platform:
        secrets = {"SECRET_KEY": os.urandom(32).hex(), "WAYPOST_ENCRYPTION_KEYS": Fernet.generate_key().decode()}
        (self.folder / name).mkdir(mode=0o711)
        return Platform(self.folder / name, {**secrets, "REDIS_URL": self.broker, **environment})


@contextmanager
def servers(program: str, block: str, folder: Path) -> Iterator[Servers]:
    """Run the servers, with the settings of the page for the pooler."""
    with ExitStack() as stack:
        admin, where = stack.enter_context(postgres_server(max_connections="100", fsync="on"))
        with psycopg.connect(admin, autocommit=True) as opened:
            opened.execute(f"ALTER ROLE waypost PASSWORD '{PASSWORD}'".encode())
        host, port = where.split(":")
        found = block_for(block).text
        assert "host=db.internal" in found
        text = found.replace("host=db.internal", f"host={host} port={port} user=waypost password={PASSWORD}")
        pooler = stack.enter_context(pgbouncer_server(program, text, auth_type="any"))
        broker = stack.enter_context(valkey_server())
        login = f"waypost:{PASSWORD}"
        yield Servers(
            f"postgresql://{login}@{where}/waypost",
            f"postgresql://{login}@{pooler}/waypost",
            f"redis://{broker}/0",
            folder,
        )


def findings(platform: Platform, *words: str, **environment: str) -> dict[str, list[dict[str, str]]]:
    """Return what the doctor finds, by level."""
    done = platform.manage("doctor", "--json", *words, PUBLIC_URL=platform.address, **environment)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {level: [it for it in lines if it["level"] == level] for level in ("ok", "warning", "error")}


def about_pooler(platform: Platform, **environment: str) -> dict[str, str]:
    """Return the error about the pooler."""
    (found,) = [it for it in findings(platform, "--no-delivery", **environment)["error"] if "pooler" in it["text"]]
    return found


def deliver_all(platform: Platform) -> None:
    """Publish with several threads, and check that each event arrives once."""
    with Receiver() as receiver:
        platform.post("endpoints", url=receiver.url("/"), subscriptions=[{"event_types": ["order.*"]}])
        publishers = Publishers([platform], 4)
        wait_until(lambda: len(publishers.accepted) >= EVENTS, "accepted events")
        publishers.stop()
        wait_until(lambda: len(receiver.counts()) >= 1 and len(receiver.arrivals) >= len(publishers.accepted), "all")
        ids = [it.message_id for it in receiver.arrivals]
        assert len(ids) == len(set(ids)) == len(publishers.accepted)


@pytest.mark.parametrize("program", PRESENT)
def test_platform_works_through_a_pooler_in_session_mode(
    program: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with (
        servers(program, "pooler", short_folder(tmp_path_factory)) as them,
        them.platform("one", DATABASE_URL=them.pooled) as one,
    ):
        assert findings(one)["error"] == []
        deliver_all(one)


@pytest.mark.parametrize("program", PRESENT)
def test_pooler_in_transaction_mode_is_refused_without_the_address_of_the_server(
    program: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with servers(program, "transaction-pooler", short_folder(tmp_path_factory)) as them, ExitStack() as stack:
        platform = them.platform("one", DATABASE_URL=them.pooled)
        stack.callback(platform.__exit__)
        done = platform.manage("up", "--port", str(platform.port))
        assert done.returncode != 0
        assert b"WAYPOST_DIRECT_DATABASE_URL" in done.stdout + done.stderr
        platform.manage("migrate", DATABASE_URL=them.direct).check_returncode()
        assert "and leave the pooler in DATABASE_URL" in about_pooler(platform)["advice"]
        assert "not the pooler" in about_pooler(platform, WAYPOST_DIRECT_DATABASE_URL=them.pooled)["advice"]


@pytest.mark.parametrize("program", PRESENT)
def test_platform_works_with_a_pooler_in_transaction_mode_for_its_requests(
    program: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with servers(program, "transaction-pooler", short_folder(tmp_path_factory)) as them:
        addresses = {"DATABASE_URL": them.pooled, "WAYPOST_DIRECT_DATABASE_URL": them.direct}
        with them.platform("one", **addresses) as one:
            found = findings(one)
            assert found["error"] == []
            assert any(it["text"].startswith("requests go through the pooler") for it in found["ok"])
            assert not any("through the pooler have no limit" in it["text"] for it in found["warning"])
            deliver_all(one)
            assert requests_through(them.pooled) > 0


def requests_through(pooled: str) -> int:
    """Return how many transactions the pooler has passed on."""
    with psycopg.connect(pooled.replace("/waypost", "/pgbouncer"), autocommit=True, prepare_threshold=None) as console:
        cursor = psycopg.ClientCursor(console)
        cursor.execute("SHOW STATS")
        names = [it.name for it in cursor.description or ()]
        return sum(int(row[names.index("total_xact_count")]) for row in cursor.fetchall() if row[0] == "waypost")


def short_folder(factory: pytest.TempPathFactory) -> Path:
    """Return a directory that the users of servers may pass through."""
    made = factory.mktemp("bouncer")
    made.chmod(0o711)
    return made
