"""Run the commands of the guides about kinds of sources, against the API and a server of the test."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.processes import run

FOLDER = Path(__file__).resolve().parents[4] / "docs" / "how-to"
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


class Guide:
    """A guide, in whose commands the texts ``replaced`` are replaced: addresses and names of other people's systems."""

    def __init__(self, name: str, api: str, key: str, replaced: Mapping[str, str]) -> None:
        self._environment = {"PATH": os.environ["PATH"], "API": api, "KEY": key}
        page = (FOLDER / f"{name}.md").read_text()
        self._commands = []
        for command in BLOCK.findall(page):
            for former, text in replaced.items():
                command = command.replace(former, text)
            self._commands.append(command)

    def run(self, number: int) -> Any:
        """Run a block of commands; return what the last one prints, as JSON. Fails if the API refuses something."""
        command = ["bash", "-euo", "pipefail", "-c", self._commands[number]]
        done = run(command, env=self._environment, text=True)
        assert done.returncode == 0, done.stderr
        assert '"status":4' not in done.stdout, done.stdout
        return json.loads(done.stdout) if done.stdout else None
