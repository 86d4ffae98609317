"""Test that log events reach the logging of a project that does not use structlog."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = """
import logging, structlog
from webhooks.host.logs import use_logging

{before}
use_logging()
logging.basicConfig(level="INFO", format="%(levelname)s %(name)s %(message)s")
log = structlog.get_logger("waypost.receiver")
log.debug("not shown")
try:
    1 / 0
except ZeroDivisionError as error:
    log.error("handler failed", receipt="rcp_1", attempts=2, exc_info=error)
"""


def output(before: str = "") -> str:
    command = [sys.executable, "-c", SCRIPT.format(before=before)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


def test_log_events_go_to_logging_with_their_fields_and_traceback() -> None:
    printed = output()
    assert printed.startswith("ERROR waypost.receiver handler failed receipt='rcp_1' attempts=2\nTraceback")
    assert "ZeroDivisionError" in printed


def test_configuration_of_the_project_is_kept() -> None:
    own = "structlog.configure(processors=[structlog.processors.JSONRenderer(default=repr)])"
    assert '"event": "handler failed"' in output(own)
