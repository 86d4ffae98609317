"""Start the platforms that attacks need, each with the neighbour's endpoints and sources."""

import json
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey

from config.local.process_guard import ProcessGuard
from tests.faults.running_platform import ROOT, Platform
from tests.isolation import name_server
from tests.isolation.attack import FAKED_CLOCK, FEW_FILES, LARGE_EVENTS
from tests.isolation.attacker import PROXY
from tests.isolation.faked_database import faked_database
from tests.isolation.measurement import Activity, Measurement
from tests.ports import free_port

USUAL_FILES = 1024  # soft limit of open files on most systems
HANDLERS = ("quick", "sleep", "spin", "crash", "fail")
ENVIRONMENT = {
    "WAYPOST_LOG_LEVEL": "WARNING",
    "WAYPOST_TRUSTED_PROXIES": PROXY,
    "WAYPOST_HANDLERS": ",".join(f"{name}=tests.isolation.handlers.{name}" for name in HANDLERS),
}


@dataclass
class Scene:
    """A running platform and its neighbour. ``names``: whether the platform uses our name server."""

    platform: Platform
    guard: ProcessGuard
    platform_key: str
    facts: dict[str, Any]
    names: bool
    clock: str
    database_home: Path
    neighbour: "subprocess.Popen[str]"

    def measure(self, seconds: float) -> Measurement:
        """Let the neighbour do its activities for so long."""
        found = json.loads(talk(self.neighbour, str(seconds)))
        return {name: Activity.of(samples) for name, samples in found.items()}

    def memory(self) -> float:
        """Return the proportional set size of the platform's programs in MB."""
        return sum(process.memory_full_info().pss for process in self.platform.up_processes()) / 1024**2


def talk(process: "subprocess.Popen[str]", line: str) -> str:
    """Write a line to a process and return its reply. Raises RuntimeError if it has ended."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()
    if not (reply := process.stdout.readline()):
        raise RuntimeError(f"{process.args!r} has ended")
    return reply


@contextmanager
def scene(kind: str) -> Iterator[Scene]:
    """Run a platform of this kind with a neighbour."""
    with ExitStack() as stack:
        data = Path(tempfile.mkdtemp(prefix="waypost-isolation-"))
        stack.callback(shutil.rmtree, data, ignore_errors=True)
        data.chmod(0o711)  # so that the servers' user can traverse it when we are root
        guard = ProcessGuard(f"isolation {data}")
        stack.callback(guard.close)
        environment, clock, database_home = dict(ENVIRONMENT), "", data
        if kind == LARGE_EVENTS:
            environment["WAYPOST_MAX_EVENT_BYTES"] = str(10 * 1024**2)
        if kind == FAKED_CLOCK:
            database = stack.enter_context(faked_database(guard))
            environment["DATABASE_URL"], clock, database_home = database.url, str(database.clock), database.home
        names = name_server.is_available()
        if names:
            stack.enter_context(name_server.NameServer())
        hard = USUAL_FILES if kind == FEW_FILES else resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        prefix = ["prlimit", f"--nofile={min(USUAL_FILES, hard)}:{hard}"]
        prefix += name_server.prefix(data) if names else []
        platform = stack.enter_context(Platform(data, environment, prefix=prefix))
        facts = set_up(platform, names)
        neighbour = start(guard, "neighbour_process", facts)
        stack.callback(stop, neighbour)
        yield Scene(platform, guard, platform.platform_key(), facts, names, clock, database_home, neighbour)


def start(guard: ProcessGuard, module: str, facts: dict[str, Any]) -> "subprocess.Popen[str]":
    """Start a module of this package with its configuration, and return when it says that it is ready."""
    process = guard.start(
        [sys.executable, "-m", f"tests.isolation.{module}"],
        cwd=ROOT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    talk(process, json.dumps(facts))
    return process


def stop(process: "subprocess.Popen[str]") -> None:
    """Kill a process that `start` started, and close its pipes."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def set_up(platform: Platform, names: bool) -> dict[str, Any]:
    """Create the neighbour's endpoints and sources, and return what its process has to know."""
    port = free_port()
    endpoints = [f"http://127.0.0.1:{port}/sink"] + [f"http://sink.neighbour.example:{port}/named"] * names
    made = []
    for url in endpoints:
        made.append(platform.post("endpoints", url=url)["id"])
        platform.post("subscriptions", endpoint=made[-1], event_types=["neighbour.event"])
    source = platform.post("sources", scheme="standard", uid="neighbour")
    handled = platform.post(
        "sources",
        scheme="standard",
        handlers=[{"handler": "quick"}],
        response_when="processed",
        response_status=200,
        response_timeout_seconds=8,
    )
    key = ECKey.generate_key("P-256", {"kid": "one", "use": "sig"})
    claims = {"aud": "neighbour", "iat": 0, "exp": 2**33}
    return {
        "address": platform.address,
        "key": platform.api_key,
        "port": port,
        "names": names,
        "endpoint": made[0],
        "source": source,
        "handled_source": handled,
        "jwk": key.as_dict(private=False),
        "token": jwt.encode({"alg": "ES256", "kid": "one"}, claims, key),
    }
