"""Import endpoints from Svix."""

import json
import re
import shlex
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from subscriptions.endpoints.signing_secrets import active_secrets
from subscriptions.models import Endpoint, Subscription, Tenant
from tests.docs.inventory import block_for
from webhooks.kit.encryption import decrypt

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
FULL = {
    "id": "ep_1srOrx2ZWZBpBUvZwXKQmoEYga2",
    "uid": "shop-1",
    "url": "https://93.184.215.14/webhooks",
    "description": "Shop",
    "disabled": False,
    "filterTypes": ["invoice.paid"],
    "channels": ["project_1337"],
    "rateLimit": 7,
    "metadata": {"team": "a"},
    "secret": {"key": SECRET},
    "headers": {"headers": {"x-shop": "1"}, "sensitive": []},
    "createdAt": "2019-08-24T14:15:22Z",
    "version": 1,
}
PLAIN = {"id": "ep_2", "url": "https://93.184.215.14/2", "disabled": True, "filterTypes": None, "version": 1}


def run(tmp_path: Path, document: Any, *options: str) -> str:
    path, output = tmp_path / "endpoints.json", StringIO()
    path.write_text(json.dumps(document))
    call_command("import_svix", str(path), "--tenant", "acme", *options, stdout=output)
    return output.getvalue()


def test_endpoint_is_imported_with_what_it_has_there(tmp_path: Path) -> None:
    printed = run(tmp_path, {"data": [FULL, PLAIN], "done": True})
    tenant = Tenant.objects.get(uid="acme")
    full, plain = (Endpoint.objects.get(tenant=tenant, uid=uid) for uid in ("shop-1", "ep_2"))
    assert (full.description, full.rate_limit, full.rate_period, full.metadata) == ("Shop", 7, "second", {"team": "a"})
    assert full.state == Endpoint.State.ACTIVE
    assert plain.state == Endpoint.State.PAUSED
    assert Subscription.objects.get(endpoint=full).event_types == ["invoice.paid"]
    assert Subscription.objects.get(endpoint=plain).event_types == ["*"]
    assert "channels project_1337 were left out" in printed
    assert "a new secret was made" in printed
    assert "2 endpoints, 0 refused" in printed


def test_receiver_goes_on_verifying_with_its_secret(tmp_path: Path) -> None:
    run(tmp_path, [FULL])
    (stored,) = active_secrets(Endpoint.objects.get(uid="shop-1"))
    assert decrypt(bytes(stored.ciphertext)) == SECRET


def test_second_import_creates_nothing(tmp_path: Path) -> None:
    run(tmp_path, [FULL])
    assert run(tmp_path, [FULL]).startswith("exists    shop-1")
    assert Endpoint.objects.count() == 1


def test_dry_run_creates_nothing(tmp_path: Path) -> None:
    assert "nothing was created" in run(tmp_path, [FULL], "--dry-run")
    assert not Endpoint.objects.exists()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"url": "http://10.0.0.1/"}, "url"),
        ({"url": ""}, "url"),
        ({"filterTypes": [""]}, "event_types"),
        ({"secret": "short"}, "secret"),
        ({"metadata": [1]}, "metadata"),
        ({"id": None, "uid": None}, "id"),
        ({"headers": {"host": "x"}}, "headers"),
        ({"rateLimit": -1}, "rate_limit"),
    ],
    ids=lambda it: it if isinstance(it, str) else "",
)
def test_endpoint_that_is_refused_stops_no_other(tmp_path: Path, changes: dict[str, Any], named: str) -> None:
    with pytest.raises(CommandError, match="1 endpoints were refused"):
        run(tmp_path, [{**FULL, **changes}, PLAIN])
    assert [it.uid for it in Endpoint.objects.all()] == ["ep_2"]


@pytest.mark.parametrize("document", [{}, {"data": 1}, [1], "x", {"data": [None]}], ids=str)
def test_file_of_another_shape_is_refused(tmp_path: Path, document: Any) -> None:
    with pytest.raises(CommandError, match="Must be a response of Svix"):
        run(tmp_path, document)


def test_page_describes_the_file_as_it_is_read(tmp_path: Path) -> None:
    block = block_for("import-svix").text
    (shown,) = re.findall(r"map\(\. \+ \{(\w+): \$secrets\[0\]\[\.(\w+)\]\}\)", block)
    assert shown == ("secret", "id")
    lines = [shlex.split(line) for line in block.splitlines() if line.startswith("waypost-server")]
    for _, command, file, *options in lines:
        path = tmp_path / file
        path.write_text(json.dumps({"data": [FULL]}))
        call_command(command, str(path), *options, stdout=StringIO())
    assert Endpoint.objects.get().uid == "shop-1"
