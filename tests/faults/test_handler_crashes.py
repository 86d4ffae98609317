"""Test that a worker killed at any exchange with the database loses no receipt and repeats no effect."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from tests.faults.handler_crashes import MESSAGES

PROGRAM = Path(__file__).with_name("handler_crashes.py")


@pytest.mark.django_db(transaction=True)
def test_worker_killed_at_any_exchange_with_the_database_handles_each_receipt_once() -> None:
    environment = {**os.environ, "PYTHONPATH": str(settings.BASE_DIR)}
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(connection.settings_dict["NAME"])],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"number"')]
    assert [result["end"] for result in results].count("killed") > 20
    for result in results:
        assert result["handled"] == sorted(MESSAGES), result
        assert {name: state for name, (state, _, _) in result["states"].items()} == dict.fromkeys(MESSAGES, "processed")
        assert {claims for _, _, claims in result["states"].values()} == {0}, result
        assert result["states"]["b"][1] == 2, result
