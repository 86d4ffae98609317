"""Run the commands of the guides about other PostgreSQL databases."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from delivery.models import Event
from tests.docs.blocks import blocks_of
from tests.factories import make_key, make_tenant
from tests.webhooks.sources.kinds.guides import Guide
from tests.webhooks.sources.kinds.postgres.conftest import Shop
from tests.webhooks.sources.kinds.reading import errors, read_until
from webhooks.models import Source, SourcePartition
from webhooks.processing.process import process_due
from webhooks.sources.sources import delete_source

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("reading")]

READER = "waypost_reader"


@pytest.fixture
def guide(shop: Shop, live_server: Any) -> Iterator[Callable[[str], Guide]]:
    """Return a guide whose database is the shop's."""
    key = make_key(make_tenant())[1]
    place = f'127.0.0.1", "port": {shop.forwarder.port}, "tls": "disable'
    replaced = {"db.example.com": place, '"database": "shop"': f'"database": "{shop.name}"'}
    yield lambda name: Guide(name, f"{live_server.url}/api/v1", key, replaced)
    for source in Source.objects.filter(deleted_at=None):
        delete_source(source)
    shop.run("DROP TABLE IF EXISTS outbox, orders")
    shop.admin.execute(f"DROP ROLE IF EXISTS {READER}")


def run_sql(shop: Shop, page: str, number: int) -> None:
    """Run the statements of a block of a page: those about roles as the administrator of the server."""
    block = blocks_of(f"docs/how-to/{page}.md")[number]
    assert block.language == "sql"
    for statement in block.text.split(";"):
        if statement.strip():
            (shop.admin if "ROLE" in statement else shop.owner).execute(statement)


def test_guide_of_an_outbox_publishes_a_row_and_deletes_it(shop: Shop, guide: Callable[[str], Guide]) -> None:
    page = "read-a-postgres-outbox"
    run_sql(shop, page, 0)
    run_sql(shop, page, 1)
    assert guide(page).run(0)["message"] == "The table public.outbox has 0 rows that are not read."
    assert guide(page).run(1)["kind"] == "postgres_outbox"
    run_sql(shop, page, 4)
    read_until(1)
    process_due()
    event = Event.objects.get()
    content = json.loads(bytes(event.body))
    assert (content["type"], content["subject"], content["data"]) == (
        "order.paid",
        "order 7",
        {"order": 7, "total": "12.50"},
    )
    assert (shop.run("SELECT count(*) FROM outbox"), errors()) == ([(0,)], [])


def test_guide_of_changes_publishes_copied_rows_changes_and_messages(shop: Shop, guide: Callable[[str], Guide]) -> None:
    page = "read-postgres-changes"
    blocks = blocks_of(f"docs/how-to/{page}.md")
    for line in blocks[0].text.splitlines():
        name = line.partition(" = ")[0]
        assert shop.run("SELECT count(*) FROM pg_settings WHERE name = %s", (name,)) == [(1,)]
    shop.run("CREATE TABLE orders (id int PRIMARY KEY, total numeric, paid_at timestamptz, lines jsonb, scan bytea)")
    shop.run("INSERT INTO orders VALUES (7, 12.50)")
    run_sql(shop, page, 1)
    assert guide(page).run(0)["message"].startswith("Changes can be read (public.orders)")
    assert guide(page).run(1)["kind"] == "postgres_changes"
    read_until(1)
    run_sql(shop, page, 5)
    read_until(3)
    process_due()
    events = sorted((json.loads(bytes(it.body)) for it in Event.objects.all()), key=lambda it: it["type"])
    message, copied, updated = events
    assert [it["type"] for it in events] == ["order.paid", "postgres.orders.inserted", "postgres.orders.updated"]
    assert (message["data"], copied["data"]["copied"]) == ({"order": 7}, True)
    shown = json.loads(blocks[4].text)
    assert shown.keys() == updated["data"].keys()
    assert shown["after"].keys() == updated["data"]["after"].keys()
    assert SourcePartition.objects.get().lag_bytes is not None
