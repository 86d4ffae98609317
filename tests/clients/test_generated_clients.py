"""Clients that are generated from the OpenAPI document do the quickstart on a platform; redocly finds no problem."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from config.api.description import FILE
from config.local.demo.launch import launched
from tests.clients.generated import GENERATE, Client
from tests.clients.tools import REDOCLY_PROGRAMS, available, redocly
from tests.receiver import Receiver


@pytest.mark.parametrize("document", [FILE] if all(map(shutil.which, REDOCLY_PROGRAMS)) else [], ids=["openapi.json"])
def test_document_has_no_problem_by_the_default_rules_of_redocly(document: Path) -> None:
    report = json.loads(redocly(document))
    assert report["totals"] == {"errors": 0, "warnings": 0, "ignored": 0}, report["problems"]


def test_generated_clients_do_the_quickstart(tmp_path: Path, subtests: pytest.Subtests) -> None:
    """All languages in one test: they share a platform, which starts while the clients are generated."""
    languages = available()
    with launched() as platform, Receiver() as receiver, ThreadPoolExecutor() as threads:
        generated = {it: threads.submit(generate, it, tmp_path) for it in languages}
        platform.wait_until_ready()
        key = platform.create_tenant("Clients")
        for language, client in generated.items():
            with subtests.test(language=language):
                url = receiver.url(f"/{language}")
                found = client.result().quickstart(platform.address, key, url)
                check(language, found, receiver)


def generate(language: str, folder: Path) -> Client:
    """Return the compiled client of a language."""
    own = folder / language
    own.mkdir()
    return GENERATE[language](FILE, own)


def check(language: str, found: Any, receiver: Receiver) -> None:
    """Compare what the quickstart found with what the platform did."""
    assert language in found["endpoints"]
    assert found["disabled_reason"] is None
    assert (found["event"], found["delivered"]) == (f"order.{language}", 200)
    assert (found["problem"], found["rejected"]) == ("url", 400)
    [arrival] = receiver.at(f"/{language}")
    assert arrival.verify(found["secret"])["data"] == {"total": 42}
