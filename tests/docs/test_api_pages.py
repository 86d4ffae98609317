"""Run the commands of the pages about the API in a shell, with curl, against a server; compare what the pages show.

One test a page: its commands build on each other. ``BEFORE`` creates what a page says that its reader has.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from delivery import notify
from delivery.models import Delivery, Event
from delivery.publishing import publish
from subscriptions.models import ApiKey, Endpoint, Inspector, Tenant
from tests.delivery.factories import make_dead_letter, make_delivery, make_event
from tests.docs.blocks import Block, blocks_of
from tests.docs.inventory import INVENTORY, words_of
from tests.docs.page_shell import PageShell, agrees, documents
from tests.factories import make_endpoint, make_key, make_tenant
from tests.factories_receiver import make_receipt, make_source
from tests.receiver import Receiver, status
from webhooks.models import Receipt, ReceiptReplay, Source, SourceSecret

pytestmark = pytest.mark.django_db(transaction=True)

PAGES = [page for page in INVENTORY if "api" in words_of(page)]
NEWEST: dict[str, Any] = {
    "dlv": Delivery,
    "ep": Endpoint,
    "evt": Event,
    "insp": Inspector,
    "key": ApiKey,
    "rcp": Receipt,
    "rrp": ReceiptReplay,
    "src": Source,
    "sec": SourceSecret,
}


def newest(prefix: str) -> str:
    """Return the id of the row with this prefix that was created last; of receipts, of one that is dead."""
    rows = NEWEST[prefix].objects.all()
    return str((rows.exclude(dead_at=None) if prefix == "rcp" else rows).latest("pk").public_id)


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant(uid="acme")


@pytest.fixture
def shell(
    live_server: Any, settings: Any, tenant: Tenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[PageShell]:
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]
    settings.PUBLIC_URL = live_server.url
    monkeypatch.setattr(notify.drain_starter, "notify", lambda: None)
    with Receiver() as receiver:
        yield PageShell(live_server.url, make_key(tenant)[1], receiver, tmp_path, newest)


def endpoints(shell: PageShell, tenant: Tenant, *uids: str) -> list[Endpoint]:
    return [make_endpoint(tenant, uid=uid, url=shell.receiver.url(f"/{uid}")) for uid in uids]


def before_endpoints(shell: PageShell, tenant: Tenant) -> None:
    endpoints(shell, tenant, "shop")


def before_operate(shell: PageShell, tenant: Tenant) -> None:
    publish(tenant, [{"type": "order.paid"}])
    _, dead = endpoints(shell, tenant, "billing", "dead")
    make_dead_letter(make_delivery(make_event(tenant), dead), cause="exhausted")


def before_publish(shell: PageShell, tenant: Tenant) -> None:
    (endpoint,) = endpoints(shell, tenant, "shop")
    endpoint.subscriptions.create(tenant=tenant, event_types=["order.*"])
    (shell.folder / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n\0")


def before_receive(shell: PageShell, tenant: Tenant) -> None:
    make_receipt(make_source(tenant_id=tenant.pk), due_at=None, dead_at=timezone.now(), cause="exhausted")


def before_operational_events(shell: PageShell, tenant: Tenant) -> None:
    endpoints(shell, tenant, "ops")


BEFORE: dict[str, Callable[[PageShell, Tenant], None]] = {
    "docs/how-to/endpoints.md": before_endpoints,
    "docs/how-to/operate.md": before_operate,
    "docs/how-to/publish.md": before_publish,
    "docs/how-to/receive.md": before_receive,
    "docs/reference/operational-events.md": before_operational_events,
}


@pytest.mark.parametrize("page", PAGES)
def test_commands_of_a_page_are_accepted_and_respond_as_it_shows(page: str, shell: PageShell, tenant: Tenant) -> None:
    BEFORE.get(page, lambda *_: None)(shell, tenant)
    shell.receiver.script("/", status(200))
    printed = ""
    for block in run_of(page):
        if block.language == "json":
            shown, (*_, found) = json.loads(block.text), documents(printed)
            assert agrees(shown, found), json.dumps(found, indent=1)
        else:
            printed = shell.run(block.text)


def run_of(page: str) -> Iterator[Block]:
    """Yield the blocks of commands and of responses, in order."""
    for word, block in zip(words_of(page), blocks_of(page), strict=True):
        if word in ("api", "response"):
            yield block
