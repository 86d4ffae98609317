"""The client in clients/typescript: it is what the description says, compiles strictly, and works on a platform."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from config.local.demo.launch import launched
from tests.clients.tools import REDOCLY_PROGRAMS, own_node_modules
from tests.installed_programs import call
from tests.processes import start
from tests.receiver import Receiver

ROOT = Path(__file__).resolve().parents[2]
CLIENT = ROOT / "clients" / "typescript"
JOURNEY = Path(__file__).parent / "typescript" / "journey.mjs"
HERE = [CLIENT] if all(map(shutil.which, REDOCLY_PROGRAMS)) else []  # what is left out is said in the summary


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the client, with what it needs."""
    folder = tmp_path_factory.mktemp("repository")
    copy = folder / "clients" / "typescript"
    shutil.copytree(CLIENT, copy, ignore=shutil.ignore_patterns("node_modules", "dist"))
    (folder / "config" / "api").mkdir(parents=True)
    shutil.copy(ROOT / "config" / "api" / "openapi.json", folder / "config" / "api")
    (copy / "node_modules").symlink_to(own_node_modules())
    call(copy / "node_modules" / ".bin" / "tsc", "--project", ".", folder=copy)
    return copy


@pytest.mark.parametrize("client", HERE, ids=["typescript"] if HERE else [])
def test_types_are_those_of_the_description(client: Path, built: Path) -> None:
    assert (built / "src" / "schema.ts").read_text() == (client / "src" / "schema.ts").read_text()
    call("node", "generate.mjs", "--check", folder=built)


@pytest.mark.parametrize("client", HERE, ids=["typescript"] if HERE else [])
def test_client_publishes_lists_verifies_and_repeats(client: Path, built: Path) -> None:
    with launched() as platform, Receiver() as receiver:
        platform.wait_until_ready()
        words = [
            str(built / "dist" / "index.js"),
            platform.address,
            platform.create_tenant("Own"),
            receiver.url("/own"),
        ]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        journey = start(["node", str(JOURNEY), *words], cwd=client, **pipes)
        line = journey.stdout.readline()
        assert line, "the journey ended without a result"
        found = json.loads(line)
        arrivals = receiver.wait_for(3, "/own")
        one = {"headers": dict(arrivals[0].headers.items()), "body": arrivals[0].body.decode()}
        rest, _ = journey.communicate(json.dumps(one))
    assert found["published"] == found["listed"]
    assert found["problem"] == [400, "url", True]
    assert found["repeats"] == [3, 1, "evt_1"]
    assert json.loads(rest) == {"verified": "own.typescript", "refused": True}
