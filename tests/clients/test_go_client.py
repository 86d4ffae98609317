"""The client in clients/go: it is what the description says, its own tests pass, and it works on a platform."""

import json
import re
from pathlib import Path

import pytest

from config.local.demo.launch import launched
from tests.clients.tools import missing, oapi_codegen
from tests.installed_programs import call

ROOT = Path(__file__).resolve().parents[2]
CLIENT = ROOT / "clients" / "go"
JOURNEY = Path(__file__).parent / "go_journey"
RUN = r"oapi-codegen/v2/cmd/oapi-codegen@(v\S+)"
CLIENTS = [] if missing("go") else [CLIENT]  # what is left out is said in the summary
each = pytest.mark.parametrize("client", CLIENTS, ids=["go"] if CLIENTS else [])


@each
def test_generated_file_is_that_of_the_description(client: Path, tmp_path: Path) -> None:
    written = tmp_path / "api.gen.go"
    call(oapi_codegen(), "-config", "oapi-codegen.yaml", "-o", written, ROOT / "config/api/openapi.json", folder=client)
    assert written.read_text() == (client / "api.gen.go").read_text(), "run make clients"


def test_generator_has_the_same_version_everywhere() -> None:
    module = (JOURNEY.parent / "go" / "go.mod").read_text()
    pinned = re.findall(r"github.com/oapi-codegen/oapi-codegen/v2 (v\S+)", module)
    written = re.findall(RUN, (CLIENT / "client.go").read_text())
    page = re.findall(RUN, (ROOT / "docs" / "how-to" / "generate-a-client.md").read_text())
    assert {*pinned, *written, *page} == {pinned[0]}
    assert (len(written), len(page)) == (1, 1)


@each
def test_client_is_formatted_and_its_own_tests_pass(client: Path) -> None:
    assert call("gofmt", "-l", ".", folder=client) == ""
    call("go", "vet", "./...", folder=client)
    call("go", "test", "./...", folder=client)


@each
def test_client_publishes_lists_receives_and_verifies(client: Path, tmp_path: Path) -> None:
    call("go", "build", "-o", tmp_path / "journey", ".", folder=JOURNEY)
    with launched() as platform:
        platform.wait_until_ready()
        found = json.loads(call(tmp_path / "journey", platform.address, platform.create_tenant("Go"), folder=tmp_path))
    assert len(found["published"]) == 3
    assert found["published"] == found["listed"] == found["delivered"]
    assert (found["totals"], found["refused"]) == ([0, 1, 2], True)
    assert (found["problem"], found["not_found"]) == ([400, "url", True], True)
