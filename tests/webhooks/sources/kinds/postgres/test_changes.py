"""Test that changes are read whole, in order and once, and that what cannot be read says why."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.webhooks.sources.kinds.postgres.conftest import Shop
from webhooks.sources.kinds.kind import InvalidSettings, Position, PositionLost, Record, SourceUnavailable
from webhooks.sources.kinds.postgres import change_reader, connect, peek, slot
from webhooks.sources.kinds.postgres.change_reader import ChangeReader
from webhooks.sources.kinds.postgres.slot import name_of
from webhooks.sources.kinds.registry import find_kind

ORDERS = "CREATE TABLE orders (id int PRIMARY KEY, note text)"
KINDS_OF_VALUES = """
    CREATE DOMAIN euros AS numeric(12, 2);
    CREATE TYPE mood AS ENUM ('sad', 'ok');
    CREATE TABLE orders (
        id bigint PRIMARY KEY, amount numeric, euros euros, at timestamptz, local timestamp, day date, doc json,
        docb jsonb, tags text[], numbers numeric[], grid int[], raw bytea, ratio float8, flag boolean, mood mood,
        moods mood[], uid uuid, pause interval, nothing text, big text
    )
"""


@pytest.fixture
def read(shop: Shop) -> Iterator[Callable[..., ChangeReader]]:
    """Open readers, which are closed at the end."""
    opened: list[ChangeReader] = []

    def open_reader(position: Position = None, **changes: Any) -> ChangeReader:
        while opened:
            opened.pop().close()
        connection = shop.connection("postgres_changes", **{"tables": ["orders"], **changes})
        reader = find_kind("postgres_changes").open(connection, "", position)
        assert isinstance(reader, ChangeReader)
        opened.append(reader)
        return reader

    yield open_reader
    for reader in opened:
        reader.close()


def read_on(reader: ChangeReader, limit: int = 500) -> list[Record]:
    """Read until nothing is left, as the engine does."""
    total: list[Record] = []
    while True:
        reader._next_look = 0.0
        records = reader.fetch(limit, 0.0)
        if not records and reader._copy is None and reader.lag().bytes == 0:
            return total
        reader.acknowledge(records)
        total += records


def data(record: Record) -> Any:
    return json.loads(record.body)


def test_values_of_all_types_arrive_whole(shop: Shop, read: Callable[..., Any]) -> None:
    for statement in KINDS_OF_VALUES.split(";"):
        shop.run(statement)
    reader = read()
    shop.run(
        """INSERT INTO orders VALUES (9223372036854775807, 1.10, 2.5, '2026-01-02 03:04:05.6+02', '2026-01-02 03:04:05',
           '2026-01-02', '{"a": 1.50}', '{"b": [null, 1e3]}', '{a,NULL,"b,c"}', '{1.10,NaN}', '{{1,2},{3,4}}',
           '\\x00ff', 'Infinity', true, 'ok', '{sad,ok}', '00000000-0000-0000-0000-000000000001',
           '1 day 02:00:00', NULL, 'ä')"""
    )
    [record] = read_on(reader)
    found = data(record)
    assert (record.event_type, found["before"], found["key"]) == (
        "postgres.orders.inserted",
        None,
        {"id": 9223372036854775807},
    )
    assert b'"doc":{"a": 1.50}' in record.body
    assert found["after"] == {
        "id": 9223372036854775807,
        "amount": "1.10",
        "euros": "2.50",
        "at": "2026-01-02T01:04:05.6Z",
        "local": "2026-01-02T03:04:05",
        "day": "2026-01-02",
        "doc": {"a": 1.5},
        "docb": {"b": [None, 1000]},
        "tags": ["a", None, "b,c"],
        "numbers": ["1.10", "NaN"],
        "grid": [[1, 2], [3, 4]],
        "raw": "AP8=",
        "ratio": "Infinity",
        "flag": True,
        "mood": "ok",
        "moods": ["sad", "ok"],
        "uid": "00000000-0000-0000-0000-000000000001",
        "pause": "P1DT2H",
        "nothing": None,
        "big": "ä",
    }
    shop.run("DROP TABLE orders")
    shop.run("DROP DOMAIN euros")
    shop.run("DROP TYPE mood")


def test_updates_deletes_and_truncates_say_what_was_before(shop: Shop, read: Callable[..., Any]) -> None:
    shop.run("CREATE TABLE orders (id int PRIMARY KEY, note text, big text)")
    shop.run("CREATE TABLE lines (id int PRIMARY KEY)")
    reader = read(tables=["orders", "public.lines"])
    shop.run("INSERT INTO orders SELECT 1, 'a', string_agg(md5(n::text), '') FROM generate_series(1, 500) n")
    shop.run("UPDATE orders SET note = 'b'")
    shop.run("UPDATE orders SET id = 2")
    shop.run("ALTER TABLE orders REPLICA IDENTITY FULL")
    shop.run("UPDATE orders SET note = 'c'")
    shop.run("DELETE FROM orders")
    shop.run("TRUNCATE orders, lines")
    records = read_on(reader)
    assert [it.event_type.removeprefix("postgres.") for it in records] == [
        "orders.inserted",
        *["orders.updated"] * 3,
        *("orders.deleted", "orders.truncated", "lines.truncated"),
    ]
    _, plain, moved, full, deleted, *_ = map(data, records)
    assert (plain["before"], plain["after"], plain["unchanged"]) == (None, {"id": 1, "note": "b"}, ["big"])
    assert (moved["before"], moved["key"], moved["after"]["id"]) == ({"id": 1}, {"id": 2}, 2)
    assert (full["before"]["note"], full["after"]["note"], full["key"]) == ("b", "c", {"id": 2})
    assert len(full["after"]["big"]) == 16_000
    assert (deleted["before"]["note"], deleted["after"], deleted["key"]) == ("c", None, {"id": 2})
    assert records[0].order_key == 'public.orders {"id":1}'


def test_transactions_come_in_the_order_of_their_commits(shop: Shop, read: Callable[..., Any]) -> None:
    shop.run(ORDERS)
    reader = read()
    first, second = shop.connect(autocommit=False), shop.connect(autocommit=False)
    first.execute("INSERT INTO orders VALUES (1)")
    second.execute("INSERT INTO orders VALUES (2)")
    first.execute("INSERT INTO orders VALUES (3)")
    second.commit()
    assert [data(it)["key"]["id"] for it in read_on(reader)] == [2]
    rolled_back = shop.connect(autocommit=False)
    rolled_back.execute("INSERT INTO orders VALUES (4)")
    rolled_back.rollback()
    first.commit()
    assert [data(it)["key"]["id"] for it in read_on(reader)] == [1, 3]


def test_large_transaction_is_read_in_parts_and_resumed_inside(
    shop: Shop, read: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peek, "MAX_CHANGES", 100)
    monkeypatch.setattr(change_reader, "MAX_CHANGES", 100)
    shop.run(ORDERS)
    reader = read()
    shop.run("INSERT INTO orders SELECT n, repeat('x', 500) FROM generate_series(1, 1000) n")
    shop.run("INSERT INTO orders VALUES (1001)")
    ids: list[int] = []
    names: set[str] = set()
    most = 0
    while records := reader.fetch(90, 0.0):
        most = max(most, len(reader._peek._left) if reader._peek else 0)
        ids += [data(it)["key"]["id"] for it in records]
        names |= {it.id for it in records}
        if len(ids) in (270, 540):
            reader = read(records[-1].position)
        else:
            reader.acknowledge(records)
            reader._next_look = 0.0
    assert ids == list(range(1, 1002))
    assert len(names) == 1001
    assert most < 500
    assert reader.lag().bytes == 0


def test_fetch_ends_at_a_number_of_bytes(shop: Shop, read: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(change_reader, "MAX_FETCH_BYTES", 10_000)
    shop.run(ORDERS)
    reader = read()
    shop.run("INSERT INTO orders SELECT n, repeat('x', 3000) FROM generate_series(1, 10) n")
    assert len(reader.fetch(500, 0.0)) == 4
    assert len(read_on(reader)) == 6


def test_change_that_is_too_large_or_unreadable_is_a_record_with_the_reason(
    shop: Shop, read: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peek, "MAX_MESSAGE_BYTES", 3000)
    shop.run(ORDERS)
    reader = read()
    shop.run("INSERT INTO orders VALUES (1, repeat('x', 4000)), (2, 'y')")
    large, small = read_on(reader)
    assert (large.problem, large.body) == ("The change is larger than 64 MiB.", b"")
    assert (data(small)["key"], small.id[-2:], large.id[-2:]) == ({"id": 2}, "-2", "-1")


def test_logical_messages_are_events_without_a_table(shop: Shop, read: Callable[..., Any]) -> None:
    reader = read(tables=None)
    emit = "SELECT pg_logical_emit_message(%s, %s, %s)"
    event = '{"type": "order.paid", "data": {"n": 1.5}, "subject": "ä"}'
    with shop.owner.transaction():
        shop.run(emit, (True, "waypost", event))
        shop.run(emit, (True, "other", event))
        shop.run(emit, (True, "waypost", '{"specversion": "1.0", "id": "a", "source": "/s", "type": "t"}'))
    shop.run(emit, (False, "waypost", event))
    for wrong in ("no JSON", "[]", '{"type": 1}', '{"type": "a", "Subject": "b"}'):
        shop.run(emit, (True, "waypost", wrong))
    plain, structured, outside, *problems = read_on(reader)
    assert (plain.event_type, plain.body, plain.content_type) == ("order.paid", b'{"n":1.5}', "application/json")
    assert (plain.headers["ce-type"], plain.headers["ce-subject"]) == ("order.paid", "%C3%A4")
    assert (structured.content_type, structured.event_type) == ("application/cloudevents+json", "t")
    assert outside.body == plain.body
    assert [bool(it.problem) for it in problems] == [True] * 4
    assert [it.body for it in read_on(read({"lsn": "0/0"}, tables=None))] == []


def test_copy_and_changes_together_lose_nothing_and_repeat_nothing(shop: Shop, read: Callable[..., Any]) -> None:
    shop.run(ORDERS)
    shop.run("CREATE TABLE lines (a text, b int, n int, PRIMARY KEY (b, a))")
    shop.run("INSERT INTO orders SELECT n, 'old' FROM generate_series(1, 200) n")
    shop.run("INSERT INTO lines SELECT 'l' || n, n, n FROM generate_series(1, 100) n")
    settings = {"tables": ["orders", "lines"], "copy": True}
    reader = read(**settings)
    found: list[Record] = []
    for number in range(30):
        shop.run("UPDATE orders SET note = %s WHERE id %% 10 = %s", (f"new {number}", number % 10))
        shop.run("INSERT INTO orders VALUES (%s)", (1000 + number,))
        shop.run("DELETE FROM orders WHERE id = %s", (number * 3 + 1,))
        shop.run("UPDATE lines SET n = n + 1 WHERE b = %s", (number * 2 + 1,))
        shop.run("UPDATE lines SET b = b + 1000 WHERE b = %s", (number * 3 + 2,))
        if number < 20:
            records = reader.fetch(20, 0.0)
            found += records
            if number % 4 == 3 and records:  # the process dies, and with it, mostly, the snapshot
                reader = read(records[-1].position, **settings)
    found += read_on(reader, limit=50)
    orders: dict[int, Any] = {}
    lines: dict[tuple[int, str], Any] = {}
    for record in found:
        change, rows = data(record), orders if ".orders." in record.event_type else lines
        keys = ("id",) if rows is orders else ("b", "a")
        key = tuple(change["key"][name] for name in keys)
        if record.event_type.endswith("inserted"):
            assert key not in rows, record
            rows[key] = change["after"]
        elif record.event_type.endswith("updated"):
            former = tuple((change["before"] or change["key"])[name] for name in keys)
            assert former in rows, record
            del rows[former]
            rows[key] = change["after"]
        else:
            del rows[key]
    assert sorted((it["id"], it["note"]) for it in orders.values()) == shop.run(
        "SELECT id, note FROM orders ORDER BY id"
    )
    assert sorted((it["b"], it["a"], it["n"]) for it in lines.values()) == shop.run(
        "SELECT b, a, n FROM lines ORDER BY b, a"
    )
    assert len({it.id for it in found}) == len(found)


def test_slot_that_is_gone_or_lost_names_what_to_do_and_a_seek_goes_on(shop: Shop, read: Callable[..., Any]) -> None:
    shop.run(ORDERS)
    reader = read()
    shop.run("INSERT INTO orders VALUES (1)")
    [record] = read_on(reader)
    reader.close()
    kind, connection = find_kind("postgres_changes"), shop.connection("postgres_changes", tables=["orders"])
    shop.run("SELECT pg_drop_replication_slot(%s)", (name_of(connection),))
    with pytest.raises(PositionLost, match="was dropped, so changes are missing; seek to the latest"):
        read(record.position)
    position = kind.seek(connection, "", "latest")
    shop.run("INSERT INTO orders VALUES (2)")
    assert [data(it)["key"]["id"] for it in read_on(read(position))] == [2]
    shop.run("INSERT INTO orders VALUES (3)")
    assert read_on(read(kind.seek(connection, "", "latest"))) == []
    copying = shop.connection("postgres_changes", tables=["orders"], copy=True)
    again = read(kind.seek(copying, "", "earliest"), copy=True)
    assert [data(it)["key"]["id"] for it in read_on(again)] == [1, 2, 3]
    with pytest.raises(InvalidSettings):
        kind.seek(connection, "", shop.run("SELECT now()")[0][0])


def test_slot_that_holds_back_much_wal_is_a_warning(
    shop: Shop, read: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.run(ORDERS)
    reader = read()
    assert reader.lag().warning == ""
    monkeypatch.setattr(slot, "MUCH_WAL", 1)
    shop.run("INSERT INTO orders VALUES (1)")
    lag = reader.lag()
    assert "max_slot_wal_keep_size" in lag.warning
    assert (lag.bytes or 0) > 0


def test_changes_of_other_tables_let_the_server_remove_its_wal(shop: Shop, read: Callable[..., Any]) -> None:
    shop.run(ORDERS)
    shop.run("CREATE TABLE other (id int)")
    reader = read()
    read_on(reader)
    shop.run("INSERT INTO other SELECT generate_series(1, 1000)")
    assert (reader.lag().bytes or 0) > 10_000
    assert read_on(reader) == []
    assert reader.lag().bytes == 0


def test_tables_are_added_to_the_publication_when_the_settings_change(shop: Shop, read: Callable[..., Any]) -> None:
    shop.run(ORDERS)
    shop.run("CREATE TABLE lines (id int PRIMARY KEY)")
    position = read().lag().position
    reader = read(position, tables=["orders", "lines"])
    shop.run("INSERT INTO lines VALUES (1)")
    assert [it.event_type for it in read_on(reader)] == ["postgres.lines.inserted"]


def test_existing_publication_is_used_and_left(shop: Shop, read: Callable[..., Any]) -> None:
    shop.run(ORDERS)
    shop.run("CREATE PUBLICATION mine FOR TABLE orders (id) WHERE (id > 1) WITH (publish = 'insert')")
    shop.run("INSERT INTO orders VALUES (1, 'a'), (2, 'b')")
    reader = read(publication="mine", copy=True)
    shop.run("INSERT INTO orders VALUES (3, 'c')")
    assert [data(it)["after"] for it in read_on(reader)] == [{"id": 2}, {"id": 3}]
    reader.close()
    find_kind("postgres_changes").remove(shop.connection("postgres_changes", tables=["orders"], publication="mine"))
    assert shop.run("SELECT pubname FROM pg_publication") == [("mine",)]


def test_partitioned_table_is_read_under_its_own_name(shop: Shop, read: Callable[..., Any]) -> None:
    shop.run("CREATE TABLE orders (id int PRIMARY KEY) PARTITION BY RANGE (id)")
    shop.run("CREATE TABLE orders_1 PARTITION OF orders FOR VALUES FROM (0) TO (10)")
    shop.run("CREATE TABLE orders_2 PARTITION OF orders FOR VALUES FROM (10) TO (20)")
    shop.run("INSERT INTO orders VALUES (1), (11)")
    reader = read(copy=True)
    shop.run("INSERT INTO orders VALUES (2), (12)")
    records = read_on(reader)
    assert [data(it)["key"]["id"] for it in records] == [1, 2, 11, 12]
    assert {it.event_type for it in records} == {"postgres.orders.inserted"}


def test_test_says_what_it_found_and_creates_nothing(shop: Shop) -> None:
    shop.run(ORDERS)
    shop.run("INSERT INTO orders VALUES (1, 'a'), (2, 'b')")
    sample = find_kind("postgres_changes").test(shop.connection("postgres_changes", tables=["orders"]))
    assert sample.message.startswith("Changes can be read (public.orders); its replication slot is created")
    assert sample.record is not None
    assert data(sample.record)["after"] == {"id": 2, "note": "b"}
    assert shop.run("SELECT (SELECT count(*) FROM pg_replication_slots), (SELECT count(*) FROM pg_publication)") == [
        (0, 0)
    ]


@pytest.mark.parametrize(
    ("changes", "setting", "text"),
    [
        ({"tables": ["nothing"]}, "settings.tables", "There is no table nothing"),
        ({"tables": ["keyless"]}, "settings.tables", "has no primary key"),
        ({"tables": ["shown"]}, "settings.tables", "is no table"),
        ({"tables": ["whole"], "copy": True}, "settings.copy", "has no primary key"),
        ({"password": "wrong horse"}, "credentials.password", "refused the password"),
        ({"publication": "mine"}, "settings.publication", "There is no publication mine"),
    ],
)
def test_wrong_setting_is_named(shop: Shop, changes: dict[str, Any], setting: str, text: str) -> None:
    shop.run(ORDERS)
    shop.run("CREATE TABLE keyless (id int)")
    shop.run("CREATE TABLE whole (id int)")
    shop.run("ALTER TABLE whole REPLICA IDENTITY FULL")
    shop.run("CREATE VIEW shown AS SELECT * FROM orders")
    kind = find_kind("postgres_changes")
    connection = shop.connection("postgres_changes", **changes)
    for act in (kind.test, lambda it: kind.open(it, "", None)):
        with pytest.raises(SourceUnavailable) as raised:
            act(connection)
        assert raised.value.setting == setting
        assert text in str(raised.value)
    assert shop.run("SELECT count(*) FROM pg_replication_slots") == [(0,)]


def test_missing_publication_and_missing_right_to_replicate_are_named(shop: Shop, read: Callable[..., Any]) -> None:
    shop.run(ORDERS)
    with pytest.raises(SourceUnavailable, match="There is no publication mine"):
        read(publication="mine")
    with pytest.raises(InvalidSettings):
        shop.connection("postgres_changes", copy=True)


def test_transaction_that_stays_open_delays_the_slot_and_says_so(
    shop: Shop, read: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slot, "CREATE_SECONDS", 0.3)
    monkeypatch.setattr(change_reader, "CREATE_SECONDS", 5.0)
    shop.run(ORDERS)
    writer = shop.connect(autocommit=False)
    writer.execute("INSERT INTO orders VALUES (1)")
    with pytest.raises(SourceUnavailable, match="one does not end"):
        read()
    writer.commit()
    shop.run("INSERT INTO orders VALUES (2)")
    reader = read()
    shop.run("INSERT INTO orders VALUES (3)")
    assert [data(it)["key"]["id"] for it in read_on(reader)] == [3]


def test_server_that_hangs_or_goes_away_ends_a_fetch_and_is_read_again_later(
    shop: Shop, read: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.run(ORDERS)
    reader = read()
    shop.run("INSERT INTO orders VALUES (1)")
    monkeypatch.setattr(change_reader, "WAL_SECONDS", -4.8)
    shop.forwarder.stall()
    try:
        with pytest.raises(SourceUnavailable, match="did not respond in time"):
            reader.fetch(10, 0.0)
    finally:
        shop.forwarder.flow()
    monkeypatch.setattr(change_reader, "WAL_SECONDS", connect.STATEMENT_SECONDS)
    position = {"lsn": "0/0"}
    reader = read(position)
    [record] = reader.fetch(10, 5.0)
    shop.forwarder.cut()
    reader._looked_at, reader._next_look = "", 0.0
    try:
        with pytest.raises(SourceUnavailable):
            reader.fetch(10, 0.0)
    finally:
        shop.forwarder.listen()
    again = read_on(read(position))
    assert [it.id for it in again] == [record.id]


def test_copy_goes_on_in_the_snapshot_of_another_process_while_that_lives(shop: Shop) -> None:
    shop.run(ORDERS)
    shop.run("INSERT INTO orders SELECT n, 'old' FROM generate_series(1, 10) n")
    kind, connection = find_kind("postgres_changes"), shop.connection("postgres_changes", tables=["orders"], copy=True)
    first = kind.open(connection, "", None)
    records = first.fetch(4, 0.0)
    shop.run("UPDATE orders SET note = 'new'")
    second = kind.open(connection, "", records[-1].position)
    rest = second.fetch(10, 0.0)
    assert [(data(it)["key"]["id"], data(it)["after"]["note"]) for it in rest] == [(n, "old") for n in range(5, 11)]
    assert len(rest[-1].position["segments"]) == 1
    first.close()
    second.close()
