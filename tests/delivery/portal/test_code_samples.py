"""Receivers that the portal shows: each accepts our signature, and no other. Run where the machine has the language."""

import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from delivery.portal.endpoints.code_samples import CODE_SAMPLES
from tests.ports import free_port
from tests.waiting import wait_until
from webhooks.wire.signing import sign
from webhooks.wire.signing.keys import new_secret

COMMANDS = {  # by the name of a sample: the name of its file, and the command that runs it
    "python": ("receiver.py", [sys.executable]),
    "node": ("receiver.js", ["node"]),
    "java": ("Receiver.java", ["java"]),
    "go": ("receiver.go", ["go", "run"]),
}
HERE = [name for name, (_, command) in COMMANDS.items() if shutil.which(command[0])]
BODY = b'{"type": "order.paid"}'


def post(port: int, secret: str) -> int:
    """Return the status of the response to a request that is signed with this secret; 0 if nothing responds."""
    now = int(time.time())
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(now),
        "webhook-signature": sign(secret, "msg_1", now, BODY),
    }
    request = urllib.request.Request(f"http://127.0.0.1:{port}/", BODY, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


@pytest.mark.slow
@pytest.mark.parametrize("name", HERE)
def test_receiver_accepts_our_signature_only(name: str, tmp_path: Path) -> None:
    sample = next(it for it in CODE_SAMPLES if it.name == name)
    file, command = COMMANDS[name]
    (tmp_path / file).write_text(sample.text)
    secret, port = new_secret(), free_port()
    environment = {**os.environ, "WEBHOOK_SECRET": secret, "PORT": str(port)}
    process = subprocess.Popen([*command, file], cwd=tmp_path, env=environment, start_new_session=True)
    try:
        wait_until(lambda: process.poll() is not None or post(port, secret), f"the receiver in {name}")
        assert post(port, secret) == 204
        assert post(port, new_secret()) == 401
    finally:
        os.killpg(process.pid, 15)
        process.wait()
