"""Run `manage.py up` as a process, on a data directory and a port of its own."""

import os
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from django.conf import settings

from config.local.embedded import POSTGRES, VALKEY
from config.local.embedded.place import Place
from tests.processes import start

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass
class Platform:
    """One `up` on its own data directory and port, as started at a terminal."""

    data: Path
    port: int
    lines: list[str] = field(default_factory=list)
    process: "subprocess.Popen[str] | None" = None

    def up(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        self.lines = []
        self.process = start(
            [sys.executable, "manage.py", "up", "--port", str(self.port), *arguments],
            cwd=settings.BASE_DIR,
            env={"PATH": os.environ["PATH"], "WAYPOST_DATA": str(self.data), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        return self.process

    def until_ready(self) -> str:
        """Wait until the platform is ready and return the line with its addresses."""
        assert self.process
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line)
            if " ready: " in line:
                return line
        raise AssertionError("".join(self.lines))

    def refused(self) -> str:
        """Return the output of an `up` that failed."""
        assert self.process
        output, _ = self.process.communicate()
        assert self.process.returncode not in (0, None)
        return output

    def stop(self) -> int:
        """Stop the platform with SIGTERM and return its exit status."""
        assert self.process
        self.process.terminate()
        output, _ = self.process.communicate()
        self.lines.append(output)
        return self.process.returncode

    def get(self, path: str) -> int:
        try:
            return int(OPENER.open(f"http://127.0.0.1:{self.port}{path}").status)
        except urllib.error.HTTPError as error:
            return error.code

    def processes(self) -> list[psutil.Process]:
        """Return every process of this data directory, found by its command line or its parent's."""
        found = [one for one in psutil.process_iter() if self._concerns(one)]
        return found + [child for one in found for child in children(one) if child not in found]

    def kill_all(self) -> None:
        for one in self.processes():
            with suppress(psutil.NoSuchProcess):  # it ended with its parent
                one.kill()

    def _concerns(self, process: psutil.Process) -> bool:
        homes = {str(self.data), *(str(Place(server.name, self.data).home) for server in (POSTGRES, VALKEY))}
        try:
            command = " ".join(process.cmdline())
            return any(home in command for home in homes) or process.environ().get("WAYPOST_DATA") == str(self.data)
        except psutil.Error:
            return False


def children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []
