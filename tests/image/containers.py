"""Build the image and run containers, by Podman or Docker."""

import json
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.processes import run
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
IMAGE = "waypost-test"
CONFINED = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")


def program() -> str:
    """Return the path of podman or docker."""
    return os.environ["WAYPOST_IMAGE_PROGRAM"]


def call(*words: str) -> str:
    """Run a command of podman or docker, and return what it printed. Fails with its output if the command does."""
    done = run([program(), *words], text=True)
    assert done.returncode == 0, f"{words}: status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return str(done.stdout).strip()


def build() -> None:
    """Build the image of this tree."""
    base = os.environ["WAYPOST_IMAGE_BASE"]
    words = ["--build-arg", f"PYTHON={base}"] if base else []
    if program().endswith("podman"):
        words += ["--format", "docker"]  # the other format has no health check
    call("build", *words, *shlex.split(os.environ.get("WAYPOST_IMAGE_BUILD", "")), "--tag", IMAGE, str(ROOT))


@dataclass
class Container:
    """A container that runs."""

    name: str

    def exec(self, *words: str) -> str:
        """Return what a command in the container prints."""
        return call("exec", self.name, *words)

    def refuses(self, *words: str) -> bool:
        """Return whether a command in the container fails."""
        return run([program(), "exec", self.name, *words], text=True).returncode != 0

    def is_healthy(self) -> bool:
        """Return whether the health check of the image succeeds. Fails with the log if the container has ended."""
        assert self.state()["Running"], self.log()
        if program().endswith("podman"):  # which needs systemd to run the check by itself
            return run([program(), "healthcheck", "run", self.name], text=True).returncode == 0
        return bool(self.state()["Health"]["Status"] == "healthy")

    def state(self) -> Any:
        """Return what the program knows about the state of the container."""
        return json.loads(call("inspect", self.name))[0]["State"]

    def log(self) -> str:
        """Return what the container has printed."""
        done = run([program(), "logs", self.name], text=True)
        return f"{done.stdout}{done.stderr}"

    def stop(self) -> int:
        """Stop the container as an operator does, and return its status."""
        call("stop", "--time", "60", self.name)
        return int(self.state()["ExitCode"])


@contextmanager
def running(name: str, volume: str, *options: str) -> Iterator[Container]:
    """Run the image with a read-only root until it is healthy; remove the container at the end."""
    more = shlex.split(os.environ.get("WAYPOST_IMAGE_RUN", ""))
    call("run", "--detach", "--name", name, *CONFINED, "--volume", f"{volume}:/data", *more, *options, IMAGE)
    container = Container(name)
    try:
        wait_until(container.is_healthy, "a healthy container", every=0.5)
        yield container
    finally:
        run([program(), "rm", "--force", name], text=True)
