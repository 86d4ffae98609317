"""Test that each row of an outbox becomes one record, whatever the order in which transactions commit."""

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.db import connection as own
from psycopg import OperationalError

from tests.dns_server import Answer, DnsServer
from tests.webhooks.sources.kinds.postgres.conftest import Shop
from webhooks.sources.kinds.kind import InvalidSettings, Position, Record, SourceUnavailable
from webhooks.sources.kinds.postgres import connect
from webhooks.sources.kinds.postgres.outbox import rows
from webhooks.sources.kinds.postgres.outbox.reader import OutboxReader
from webhooks.sources.kinds.registry import find_kind

TABLE = """
    CREATE TABLE outbox (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, type text, payload jsonb, headers jsonb, key text,
        source text, subject text, published_at timestamptz, created_at timestamptz NOT NULL DEFAULT now()
    )
"""
INSERT = """
    INSERT INTO outbox (type, payload)
    SELECT 'order.paid', jsonb_build_object('n', n) FROM generate_series(%s::int, %s::int) n
"""
ALL = {
    f"{name}_column": column
    for name, column in (
        *((name, name) for name in ("type", "headers", "key", "source", "subject")),
        ("time", "created_at"),
        ("mark", "published_at"),
    )
}


@pytest.fixture
def outbox(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """An empty outbox, in which late commits are looked for at every fetch."""
    monkeypatch.setattr(rows, "LOOK_EVERY", 0.0)
    monkeypatch.setattr(rows, "LOOK_PART", 0)
    shop.run(TABLE)
    return shop


@pytest.fixture
def read(outbox: Shop) -> Iterator[Callable[..., OutboxReader]]:
    """Open readers, which are closed at the end."""
    opened: list[OutboxReader] = []

    def open_reader(position: Position = None, **changes: Any) -> OutboxReader:
        connection = outbox.connection("postgres_outbox", **{"table": "outbox", **ALL, **changes})
        reader = find_kind("postgres_outbox").open(connection, "", position)
        assert isinstance(reader, OutboxReader)
        opened.append(reader)
        return reader

    yield open_reader
    for reader in opened:
        reader.close()


def numbers(records: Any) -> list[int]:
    return [json.loads(record.body)["n"] for record in records]


def read_on(reader: OutboxReader, limit: int = 500) -> list[Record]:
    """Read until nothing is left, as the engine does."""
    total: list[Record] = []
    while records := reader.fetch(limit, 0.0):
        reader.acknowledge(records)
        total += records
    return total


def test_row_becomes_a_cloud_event_with_the_attributes_of_its_columns(outbox: Shop, read: Callable[..., Any]) -> None:
    outbox.run(
        """INSERT INTO outbox (type, payload, headers, key, source, subject, created_at) VALUES ('order.paid',
           '{"n": 1.50}', '{"X-Trace": "t1"}', 'c7', '/shop', 'Bestellung ä', '2026-01-02 03:04:05.6+02')"""
    )
    [record] = read(after="leave").fetch(10, 0.0)
    assert (record.id, record.body, record.content_type) == ("1", b'{"n": 1.50}', "application/json")
    assert (record.event_type, record.order_key, record.problem) == ("order.paid", "c7", "")
    assert record.headers == {
        "x-trace": "t1",
        "ce-specversion": "1.0",
        "ce-id": "1",
        "ce-type": "order.paid",
        "ce-source": "/shop",
        "ce-subject": "Bestellung%20%C3%A4",
        "ce-time": "2026-01-02T01:04:05.600000Z",
    }


@pytest.mark.parametrize(("after", "left", "marked"), [("delete", 0, 0), ("mark", 3, 3), ("leave", 3, 0)])
def test_rows_are_read_in_order_and_deleted_marked_or_left(
    outbox: Shop, read: Callable[..., Any], after: str, left: int, marked: int
) -> None:
    outbox.run(INSERT, (1, 3))
    reader = read(after=after)
    assert reader.lag().records == 3
    assert numbers(read_on(reader, limit=2)) == [1, 2, 3]
    assert outbox.run("SELECT count(*), count(published_at) FROM outbox") == [(left, marked)]
    assert reader.lag().records == 0
    outbox.run(INSERT, (4, 4))
    assert numbers(read_on(reader)) == [4]


@pytest.mark.parametrize("after", ["delete", "mark", "leave"])
def test_rows_that_were_not_acknowledged_are_fetched_again_with_the_same_ids(
    outbox: Shop, read: Callable[..., Any], after: str
) -> None:
    outbox.run(INSERT, (1, 3))
    first = read(after=after).fetch(2, 0.0)
    again = read_on(read(after=after))
    assert [it.id for it in again] == ["1", "2", "3"]
    assert [it.id for it in first] == ["1", "2"]
    if after == "leave":
        assert numbers(read_on(read(first[-1].position, after=after))) == [3]


@pytest.mark.parametrize("sees_all", [True, False])
@pytest.mark.parametrize("savepoint", [False, True])
def test_rows_of_a_transaction_that_commits_late_are_read_however_long_it_was_open(
    outbox: Shop, read: Callable[..., Any], *, sees_all: bool, savepoint: bool
) -> None:
    reader = read(after="leave")
    reader._rows._sees_all, reader._rows._margin = sees_all, 0
    outbox.run(INSERT, (0, 0))
    assert numbers(read_on(reader)) == [0]
    late, later = outbox.connect(autocommit=False), outbox.connect(autocommit=False)
    if savepoint:
        late.execute("SAVEPOINT s1")
    late.execute(INSERT, (1, 2))
    later.execute(INSERT, (3, 3))
    for number in range(10, 15):
        outbox.run(INSERT, (number, number))
        assert numbers(read_on(reader)) == [number]
    late.commit()
    assert numbers(read_on(reader, limit=1)) == [1, 2]
    outbox.run(INSERT, (15, 15))
    assert numbers(read_on(reader)) == [15]
    later.commit()
    position = reader._cursor.position()
    assert numbers(read_on(reader)) == [3]
    assert read_on(reader) == []
    again = read(position, after="leave")
    again._rows._margin = 0
    assert 3 in numbers(read_on(again))


def test_many_interleaved_transactions_lose_nothing_and_repeat_nothing(outbox: Shop, read: Callable[..., Any]) -> None:
    reader = read(after="leave")
    writers = [outbox.connect(autocommit=False) for _ in range(5)]
    found: list[int] = []
    for number in range(100):
        writers[number % 5].execute(INSERT, (number, number))
        if number % 7 == 3:
            writers[number * 3 % 5].commit()
            found += numbers(reader.fetch(4, 0.0))
    for writer in writers:
        writer.commit()
    found += numbers(read_on(reader))
    assert sorted(found) == list(range(100))


def test_fetch_returns_at_once_after_a_notification(outbox: Shop, read: Callable[..., Any]) -> None:
    reader = read(channel="outbox")
    writer = outbox.connect(autocommit=False)
    writer.execute(INSERT, (1, 1))
    writer.execute("NOTIFY outbox")
    assert reader.fetch(10, 0.0) == []
    writer.commit()
    assert numbers(reader.fetch(10, 30.0)) == [1]


def test_large_rows_end_a_fetch_early(outbox: Shop, read: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MAX_FETCH_BYTES", 5000)
    outbox.run(
        "INSERT INTO outbox (payload) SELECT jsonb_build_object('n', n, 'x', repeat('x', 2000)) "
        "FROM generate_series(1, 9) n"
    )
    reader = read(after="delete")
    assert numbers(reader.fetch(500, 0.0)) == [1, 2, 3]
    assert len(read_on(reader)) == 9


def test_hostile_rows_are_records_with_a_problem_and_block_nothing(
    outbox: Shop, read: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "MAX_ROW_BYTES", 3000)
    headers = ['["a"]', '{"a b": "c"}', '{"a": 1}', '{"a": "x\\ny"}', json.dumps({"a": "x" * 20_000})]
    for value in headers:
        outbox.run("INSERT INTO outbox (payload, headers) VALUES ('{}', %s)", (value,))
    outbox.run(
        "INSERT INTO outbox (payload) SELECT jsonb_build_object('x', string_agg(md5(n::text), '')) FROM "
        "generate_series(1, 200) n"
    )
    outbox.run("INSERT INTO outbox (payload) VALUES (NULL)")
    records = read_on(read(after="delete"))
    assert [bool(it.problem) for it in records] == [True] * 6 + [False]
    assert (records[5].body, records[5].problem) == (b"", "The payload is larger than 64 MiB.")
    assert outbox.run("SELECT count(*) FROM outbox") == [(0,)]


def test_text_and_bytea_payloads_are_passed_on_as_they_are(shop: Shop) -> None:
    for name, value in (("text", "no JSON ä"), ("bytea", b"\x00\xff")):
        shop.run(f"CREATE TABLE outbox_{name} (id text PRIMARY KEY, payload {name} NOT NULL)")
        shop.run(f"INSERT INTO outbox_{name} VALUES ('a', %s)", (value,))
        connection = shop.connection("postgres_outbox", table=f"outbox_{name}", content_type="text/plain")
        reader = find_kind("postgres_outbox").open(connection, "", None)
        [record] = reader.fetch(10, 0.0)
        reader.close()
        assert record.body == (value.encode() if isinstance(value, str) else value)
        assert (record.content_type, record.headers, record.event_type) == ("text/plain", {}, "")


@pytest.mark.parametrize("after", ["delete", "leave"])
def test_seek_to_the_earliest_the_latest_and_a_time(outbox: Shop, read: Callable[..., Any], after: str) -> None:
    for number in (1, 2, 3):
        outbox.run(
            "INSERT INTO outbox (payload, created_at) VALUES (%s, %s)", (f'{{"n": {number}}}', f"2026-01-0{number}Z")
        )
    kind, connection = (
        find_kind("postgres_outbox"),
        outbox.connection("postgres_outbox", table="outbox", after=after, **ALL),
    )
    moment = outbox.run("SELECT '2026-01-02Z'::timestamptz")[0][0]
    found = {
        to: numbers(read(kind.seek(connection, "", to), after=after).fetch(9, 0.0))
        for to in ("earliest", "latest", moment)
    }
    assert found == {"earliest": [1, 2, 3], "latest": [], moment: [2, 3]}
    with pytest.raises(InvalidSettings):
        kind.seek(outbox.connection("postgres_outbox", table="outbox"), "", moment)


def test_test_says_what_it_found_and_reads_nothing(outbox: Shop) -> None:
    kind, connection = find_kind("postgres_outbox"), outbox.connection("postgres_outbox", table="outbox", **ALL)
    assert kind.test(connection).record is None
    outbox.run(INSERT, (1, 2))
    sample = kind.test(connection)
    assert sample.message == "The table public.outbox has 2 rows that are not read."
    assert numbers([sample.record]) == [2]
    assert outbox.run("SELECT count(*) FROM outbox") == [(2,)]


@pytest.mark.parametrize(
    ("changes", "setting", "text"),
    [
        ({"table": "nothing"}, "settings.table", "There is no table nothing"),
        ({"table": "other.outbox"}, "settings.table", "There is no table other.outbox"),
        ({"payload_column": "body"}, "settings.payload_column", "no column body"),
        ({"payload_column": "id"}, "settings.payload_column", "column of json"),
        ({"id_column": "key"}, "settings.id_column", "NOT NULL"),
        ({"time_column": "key"}, "settings.time_column", "timestamp"),
        ({"after": "mark", "mark_column": "key"}, "settings.mark_column", "boolean"),
        ({"after": "leave", "time_column": "published_at"}, "settings.time_column", "NOT NULL"),
        ({"password": "wrong horse"}, "credentials.password", "refused the password"),
        ({"database": "nothing"}, "settings.database", "no such database"),
        ({"user": "nobody_here"}, "credentials.password", "refused the password"),
        ({"port": 1}, "settings.host", "was not reached"),
        ({"tls": "require"}, "settings.tls", "no TLS"),
        ({"host": "10.0.0.1"}, "settings.host", "may not be called"),
        ({"host": "nowhere.invalid"}, "settings.host", ""),
    ],
)
def test_wrong_setting_is_named_without_a_credential(
    outbox: Shop, changes: dict[str, Any], setting: str, text: str
) -> None:
    kind = find_kind("postgres_outbox")
    connection = outbox.connection("postgres_outbox", **{"table": "outbox", **ALL, **changes})
    for act in (kind.test, lambda it: kind.open(it, "", None)):
        with pytest.raises(SourceUnavailable) as raised:
            act(connection)
        assert raised.value.setting == setting
        assert text in str(raised.value)
        assert "horse" not in str(raised.value)


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"table": "a.b.c"}, "settings.table"),
        ({"after": "mark"}, "settings.mark_column"),
        ({"after": "leave"}, "settings.time_column"),
        ({"type_column": "type", "event_type": "a"}, "settings.event_type"),
    ],
)
def test_check_names_settings_that_do_not_fit_together(shop: Shop, changes: dict[str, Any], setting: str) -> None:
    with pytest.raises(InvalidSettings) as raised:
        shop.connection("postgres_outbox", **{"table": "outbox", **changes})
    assert list(raised.value.problems) == [setting]


def test_role_that_may_not_delete_or_mark_is_told_which_right_it_lacks(outbox: Shop) -> None:
    outbox.run("ALTER TABLE outbox OWNER TO CURRENT_ROLE")
    outbox.run(f"REVOKE DELETE, UPDATE ON outbox FROM {outbox.name}")
    kind = find_kind("postgres_outbox")
    for after, right in (("delete", "GRANT DELETE"), ("mark", "GRANT UPDATE (published_at)")):
        with pytest.raises(SourceUnavailable, match="GRANT") as raised:
            kind.test(outbox.connection("postgres_outbox", table="outbox", after=after, **ALL))
        assert right in str(raised.value)
        assert raised.value.setting == "settings.after"
    kind.test(outbox.connection("postgres_outbox", table="outbox", after="leave", **ALL))


def test_server_that_hangs_or_goes_away_ends_a_fetch_and_is_read_again_later(
    outbox: Shop, read: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox.run(INSERT, (1, 3))
    reader = read(after="delete")
    monkeypatch.setattr(connect, "STATEMENT_SECONDS", 0.2)
    outbox.forwarder.stall()
    try:
        with pytest.raises(SourceUnavailable, match="did not respond in time"):
            reader.fetch(10, 0.0)
    finally:
        outbox.forwarder.flow()
    monkeypatch.setattr(connect, "STATEMENT_SECONDS", 15.0)
    reader = read(after="delete")
    records = reader.fetch(10, 0.0)
    outbox.forwarder.cut()
    try:
        with pytest.raises(SourceUnavailable):
            reader.acknowledge(records)
        with pytest.raises(SourceUnavailable):
            read(after="delete")
    finally:
        outbox.forwarder.listen()
    assert numbers(read_on(read(after="delete"))) == [1, 2, 3]


@pytest.mark.django_db
def test_platforms_own_database_is_refused(shop: Shop) -> None:

    name = own.settings_dict["NAME"]
    connection = shop.connection("postgres_outbox", table="outbox", database=name, user=own.settings_dict["USER"])
    kind = find_kind("postgres_outbox")
    for act in (kind.test, lambda it: kind.open(it, "", None)):
        with pytest.raises(SourceUnavailable, match="platform's own") as raised:
            act(connection)
        assert raised.value.setting == "settings.database"


def test_connecting_with_an_authority_leaves_no_file(
    outbox: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    own = outbox.connection("postgres_outbox", table="outbox", event_type="a.b", tls="verify")
    for number in range(2):
        with pytest.raises(SourceUnavailable):
            connect.connect(replace(own, credentials={"password": "x", "ca_certificate": f"authority {number}"}))
    assert list(tmp_path.iterdir()) == []


def test_name_with_many_addresses_is_tried_at_two(
    outbox: Shop, dns: DnsServer, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    dns.answers["db.example.com"] = Answer(tuple(f"127.0.0.{number}" for number in range(2, 12)))
    settings.WAYPOST_ALLOW_NETWORKS = ["127.0.0.0/8"]
    tried: list[str] = []
    monkeypatch.setattr(connect.Database, "connect", lambda **options: tried.append(options["hostaddr"]) or refuse())
    own = outbox.connection("postgres_outbox", table="outbox", event_type="a.b", host="db.example.com")
    with pytest.raises(SourceUnavailable, match="not reached"):
        connect.connect(own)
    assert len(tried) == 2


def refuse() -> None:
    raise OperationalError("connection timeout expired")
