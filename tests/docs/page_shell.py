"""Run the commands of a page in a real shell against an API.

Only addresses and keys are replaced: those of other people's servers by a server of the test, ``wp_...`` and ids such
as ``dlv_...`` by what a reader would have at that point.
"""

import json
import os
import re
import shlex
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

from django.core.management import call_command

from tests.processes import run
from tests.receiver import Receiver
from webhooks.wire.signing.keys import new_secret

URL = re.compile(r"https://[a-z0-9.-]+\.(?:example(?:\.com)?|com|aws)(/[\w/.-]*)?")
ID = re.compile(r"\b(dlv|ep|evt|insp|key|rcp|rrp|sec|src)_\.\.\.")
MANAGE = ".venv/bin/python manage.py "
API = "http://127.0.0.1:8000"  # as the pages write it
STRICT = 'set -euo pipefail\ncurl() { command curl --silent --show-error --fail-with-body "$@"; }\n'


class PageShell:
    """Commands run with the variables ``API`` and ``KEY``, in a folder of their own.

    ``newest``: returns the id, with the prefix given, that a reader takes from an earlier response.
    """

    def __init__(self, server: str, key: str, receiver: Receiver, folder: Path, newest: Callable[[str], str]) -> None:
        self.server, self.key, self.receiver, self.folder, self.newest = server, key, receiver, folder, newest
        self.environment = {"PATH": os.environ["PATH"], "API": f"{server}/api/v1", "KEY": key}

    def run(self, text: str) -> str:
        """Run the commands of a block and return what they print. Those of manage.py run in this process."""
        script = []
        for line in text.splitlines():
            if line.startswith(MANAGE):
                script.append(f"echo {shlex.quote(self.manage(line.removeprefix(MANAGE)))}")
            else:
                script.append(self.filled(line))
        done = run(["bash", "-c", STRICT + "\n".join(script)], cwd=self.folder, env=self.environment, text=True)
        assert done.returncode == 0, (text, done.stdout, done.stderr)
        return str(done.stdout)

    def manage(self, command: str) -> str:
        """Run a command of manage.py; a key that it prints is the reader's from then on."""
        out = StringIO()
        call_command(*shlex.split(command, comments=True), stdout=out)
        self.key = json.loads(out.getvalue()).get("api_key", self.key)
        return out.getvalue().strip()

    def filled(self, text: str) -> str:
        """Return the text with addresses, keys and ids that exist; what it exports stays known."""
        text = text.replace(API, self.server).replace("wp_...", self.key).replace("whsec_...", new_secret())
        text = ID.sub(lambda found: self.newest(found[1]), text)
        text = URL.sub(lambda found: self.receiver.url(found[1] or "/"), text)
        if text.startswith("export "):
            self.environment |= dict(word.split("=", 1) for word in shlex.split(text.removeprefix("export ")))
        return text


def documents(text: str) -> Iterator[Any]:
    """Yield the JSON documents that commands have printed one after the other."""
    decoder, position = json.JSONDecoder(), 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        document, position = decoder.raw_decode(text, position)
        yield document


def agrees(expected: Any, found: Any) -> bool:
    """Return whether a value is the one that a page shows.

    ``"..."`` stands for anything, as the name of a member for any other members, and within a text for any characters.
    """
    if isinstance(expected, dict) and isinstance(found, dict):
        named = expected.keys() - {"..."}
        is_whole = "..." in expected or found.keys() == named
        return is_whole and named <= found.keys() and all(agrees(expected[name], found[name]) for name in named)
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(map(agrees, expected, found))
    if isinstance(expected, str) and "..." in expected and expected != "...":
        pattern = ".*".join(map(re.escape, expected.split("...")))
        return isinstance(found, str) and re.fullmatch(pattern, found, re.DOTALL) is not None
    return bool(expected in ("...", found))
