"""Test both kinds with the engine: kill -9 at each step loses nothing and repeats nothing; pause and removal."""

import os
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from tests.webhooks.sources.kinds.postgres.conftest import Shop
from webhooks.models import Receipt, Source, SourcePartition
from webhooks.readers import slices
from webhooks.readers.leases import lease_next
from webhooks.readers.open_readers import close_readers
from webhooks.readers.slices import run_slice
from webhooks.sources.connections import connection_of
from webhooks.sources.kinds.postgres.change_reader import ChangeReader
from webhooks.sources.kinds.postgres.outbox.reader import OutboxReader
from webhooks.sources.kinds.postgres.slot import name_of
from webhooks.sources.kinds.registry import find_kind
from webhooks.sources.sources import change_source, delete_source

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("receiver", "rules")]

PART = 7  # records in one transaction
KILLS = {"delete": 8, "mark": 4, "leave": 8, "changes": 12, "copy": 8}  # 20 of each kind


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def before(step: Callable[..., Any]) -> Callable[..., Any]:
    return die


def after(step: Callable[..., Any]) -> Callable[..., Any]:
    def run_and_die(*arguments: Any, **options: Any) -> None:
        step(*arguments, **options)
        die()

    return run_and_die


STEPS = [(name, when) for name in ("fetch", "store", "acknowledge", "lag") for when in (before, after)]


def read_and_die(reader: type, name: str, when: Callable[..., Any]) -> None:
    """Read a slice in a child process, which is killed before or after a step."""
    make_due()
    connections.close_all()
    child = os.fork()
    if child == 0:
        place = slices if name == "store" else reader
        setattr(place, name, when(getattr(place, name)))
        slices.MAX_RECORDS = PART
        lease = lease_next()
        if lease is not None:
            run_slice(lease, time.monotonic())
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), SourcePartition.objects.get().last_error


def make_due() -> None:
    SourcePartition.objects.update(next_read_at=timezone.now() - timedelta(seconds=1), lease_token=None)


def read_all() -> None:
    """Read until nothing is left."""
    while True:
        make_due()
        lease = lease_next()
        assert lease is not None
        number = run_slice(lease, time.monotonic() + 60, may_wait=False)
        partition = SourcePartition.objects.get()
        assert partition.last_error == ""
        if not number and not waits(partition):
            return


def waits(partition: SourcePartition) -> bool:
    return (
        bool((partition.position or {}).get("copy"))
        or bool(partition.lag_records)
        or (partition.lag_seconds != 0.0 and bool(partition.lag_bytes))
    )


@pytest.mark.parametrize("what", ["delete", "mark", "leave", "changes", "copy"])
def test_reader_killed_at_any_step_loses_nothing_and_repeats_nothing(shop: Shop, what: str) -> None:
    shop.run(
        "CREATE TABLE orders (id int PRIMARY KEY, payload jsonb, at timestamptz NOT NULL DEFAULT now(), mark boolean)"
    )
    insert = "INSERT INTO orders SELECT n, jsonb_build_object('n', n) FROM generate_series(%s::int, %s::int) n"
    reader: type
    if what in ("changes", "copy"):
        reader, source = ChangeReader, shop.source("postgres_changes", tables=["orders"], copy=what == "copy")
        if what == "changes":
            read_all()
    else:
        columns = {"time_column": "at", "mark_column": "mark"}
        reader, source = OutboxReader, shop.source("postgres_outbox", table="orders", after=what, **columns)
    close_readers()
    kills = KILLS[what]
    for number in range(kills):
        shop.run(insert, (number * 5, number * 5 + 4))
        read_and_die(reader, *STEPS[number % len(STEPS)])
    read_all()
    assert Receipt.objects.count() == kills * 5
    places = [
        body["n"] if "n" in body else body["after"]["id"]
        for body in (it.json() for it in Receipt.objects.order_by("id"))
    ]
    assert sorted(places) == list(range(kills * 5))
    if what in ("delete", "changes"):
        assert places == sorted(places)
    delete_source(source)


def test_source_of_changes_is_paused_sought_and_removed_with_its_slot(shop: Shop) -> None:
    shop.run("CREATE TABLE orders (id int PRIMARY KEY)")
    source = shop.source("postgres_changes", tables=["orders"])
    read_all()
    change_source(source, {"state": "paused"})
    shop.run("INSERT INTO orders VALUES (1)")
    assert lease_next() is None
    change_source(Source.objects.get(), {"state": "active"})
    read_all()
    assert Receipt.objects.get().event_type == "postgres.orders.inserted"
    partition = SourcePartition.objects.get()
    assert (partition.lag_seconds, partition.warning, partition.last_error) == (0.0, "", "")
    slots = "SELECT slot_name FROM pg_replication_slots"
    name = name_of(connection_of(source))
    assert shop.run(slots) == [(name,)]
    assert shop.run("SELECT pubname FROM pg_publication") == [(name,)]
    delete_source(source)
    lease = lease_next()
    assert lease is not None
    run_slice(lease, time.monotonic())
    assert (shop.run(slots), shop.run("SELECT pubname FROM pg_publication")) == ([], [])
    assert SourcePartition.objects.count() == 0


def test_kinds_are_known() -> None:
    assert {find_kind(name).name for name in ("postgres_outbox", "postgres_changes")} == {
        "postgres_outbox",
        "postgres_changes",
    }
