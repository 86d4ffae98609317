"""Tables of a PostgreSQL database of the server of the tests."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest

from delivery.models import Attempt, Delivery
from subscriptions.endpoints.destinations.kind import Connection, InvalidSettings
from subscriptions.endpoints.destinations.registry import checked_connection
from tests.delivery.destinations.battery import Battery, Place, Received, endpoint_of, publish_to, run_drain
from tests.delivery.destinations.battery import hung_port as hung_port
from tests.delivery.destinations.battery import loopback as loopback
from tests.postgres_server import postgres_server

USER, PASSWORD = "writer", "p-Zeitgeist-77"
_numbers = count(1)


class Table(Place):
    has_attributes = False
    stores_repeats_once = True

    def __init__(self, admin: "psycopg.Connection[Any]", host: str) -> None:
        self.admin, self.host = admin, host
        self.table = f"events_{next(_numbers)}"
        admin.execute(
            f"CREATE TABLE {self.table} (n serial, id text PRIMARY KEY, kind text, payload jsonb, body bytea)"
        )
        admin.execute(f"GRANT INSERT, SELECT ON {self.table} TO {USER}")
        admin.execute(f"GRANT USAGE ON SEQUENCE {self.table}_n_seq TO {USER}")
        settings = {
            "host": host,
            "database": "postgres",
            "table": self.table,
            "user": USER,
            "tls": "disable",
            "columns": {"id": "id", "kind": "type", "payload": "body", "body": "bytes"},
        }
        super().__init__("postgres", settings, {"password": PASSWORD}, (PASSWORD,))

    def received(self) -> list[Received]:
        rows = self.admin.execute(f"SELECT body FROM {self.table} ORDER BY n").fetchall()
        return [Received(bytes(row[0])) for row in rows]

    def elsewhere(self) -> "Table":
        return Table(self.admin, self.host)

    def denied(self) -> tuple[dict[str, Any], dict[str, str]]:
        return self.settings, {"password": "wrong"}

    def missing(self) -> tuple[dict[str, Any], dict[str, str]]:
        return {**self.settings, "table": "not_there"}, self.credentials

    def at_port(self, port: int) -> tuple[dict[str, Any], dict[str, str]]:
        return {**self.settings, "host": f"127.0.0.1:{port}"}, self.credentials


@pytest.fixture(scope="module")
def admin() -> Iterator[tuple["psycopg.Connection[Any]", str]]:
    with postgres_server() as (url, host), psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'")
        yield connection, host


@pytest.fixture
def place(admin: tuple["psycopg.Connection[Any]", str]) -> Table:
    return Table(*admin)


class TestPostgres(Battery):
    """Run what every kind promises."""


@pytest.mark.django_db(transaction=True)
class TestRows:
    def test_columns_get_the_parts_that_they_are_mapped_to(self, place: Table) -> None:
        endpoint = endpoint_of(place)
        (message_id,) = publish_to(endpoint, {"n": 1})
        run_drain()
        row = place.admin.execute(f"SELECT id, kind, payload FROM {place.table}").fetchone()
        assert row
        assert row[:2] == (message_id, "order.created")
        assert row[2]["data"] == {"n": 1}

    def test_row_that_a_constraint_refuses_fails_alone(self, place: Table) -> None:
        place.admin.execute(f"ALTER TABLE {place.table} ADD CHECK (payload -> 'data' <> '\"bad\"')")
        endpoint = endpoint_of(place)
        publish_to(endpoint, 1, "bad", 2)
        run_drain()
        assert [orjson.loads(it.body)["data"] for it in place.received()] == [1, 2]
        assert sorted(Delivery.objects.values_list("last_error", flat=True)) == ["", "", "refused"]
        assert b"violates check constraint" in bytes(Attempt.objects.get(error="refused").response or b"")

    def test_passwords_of_this_process_are_not_sent_to_others(
        self, place: Table, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "passwords").write_text(f"*:*:*:*:{PASSWORD}\n")
        (tmp_path / "passwords").chmod(0o600)
        monkeypatch.setenv("PGPASSFILE", str(tmp_path / "passwords"))
        monkeypatch.setenv("PGPASSWORD", PASSWORD)
        publish_to(endpoint_of(place, (place.settings, {})), 1)
        run_drain()
        assert Attempt.objects.get().error == "access_denied"

    def test_lock_of_another_session_ends_the_attempt_by_its_timeout(self, place: Table) -> None:
        endpoint = endpoint_of(place, timeout_ms=1_000)
        with place.admin.transaction():
            place.admin.execute(f"LOCK TABLE {place.table}")
            publish_to(endpoint, 1)
            run_drain()
        assert Attempt.objects.get().error == "timeout"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"columns": {"id": "nothing"}}, "settings.columns"),
        ({"columns": {}}, "settings.columns"),
        ({"table": 'a"b'}, "settings.table"),
        ({"host": "a:b:c"}, "settings.host"),
        ({"tls": "maybe"}, "settings.tls"),
    ],
)
def test_setting_that_cannot_work_is_named(changes: dict[str, Any], field: str) -> None:
    settings = {"host": "db", "database": "d", "table": "t", "user": "u", **changes}
    with pytest.raises(InvalidSettings) as caught:
        checked_connection("postgres", Connection("", 1, {}), settings, {})
    assert [*caught.value.problems] == [field]
