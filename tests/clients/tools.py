"""Find and install the tools that generate and compile clients. All versions are pinned.

Python's generator is a development dependency. What the other languages need is downloaded once, by the package client
of the language, into a folder of the virtual environment that is named by the pins. Only python3 is required: the
client of a language whose programs are not on this machine is left out, and the summary of the tests says so.
"""

import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from tests.processes import run

HERE = Path(__file__).parent
OWN_TYPESCRIPT = HERE.parents[1] / "clients" / "typescript"
CACHE = Path(sys.prefix) / "clients"
OPENAPI_GENERATOR = "openapi-generator-cli==7.26.0"  # the package contains the program itself, for Java
OAPI_CODEGEN = "github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen"
PROGRAMS = {"python": (), "typescript": ("node", "npm", "java"), "go": ("go",)}
"""By language: the programs that must be on the machine."""
REDOCLY_PROGRAMS = ("node", "npm")


def available() -> list[str]:
    """Return the languages whose programs are all on this machine."""
    return [language for language in PROGRAMS if not missing(language)]


def missing(language: str) -> list[str]:
    """Return the programs of a language that are not on this machine."""
    return [program for program in PROGRAMS[language] if shutil.which(program) is None]


def absence() -> list[str]:
    """Return a sentence for each client that cannot be generated here, and for the check of the document."""
    found = [(f"the {it} client", missing(it)) for it in PROGRAMS]
    found.append(("redocly's check of the OpenAPI document", [it for it in REDOCLY_PROGRAMS if not shutil.which(it)]))
    return [f"left out here: {what}, since there is no {' and no '.join(them)}" for what, them in found if them]


def call(*command: str | Path, folder: Path, **environment: str) -> str:
    """Run a command in a folder and return what it printed. Fails with the output if the command does."""
    done = run([str(it) for it in command], cwd=folder, env={**_environment(), **environment}, text=True)
    assert done.returncode == 0, f"{command[0]} {command[1]}: status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return str(done.stdout)


def redocly(document: Path) -> str:
    """Return what redocly reports about a document by its default rules, as JSON."""
    program = node_modules() / ".bin" / "redocly"
    quiet = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
    return call(program, "lint", "--format=json", document, folder=document.parent, **quiet)


def node_modules() -> Path:
    """Return the folder with redocly and the compiler of TypeScript."""
    return _node_modules(HERE / "typescript")


def own_node_modules() -> Path:
    """Return the folder with what our own client of TypeScript needs."""
    return _node_modules(OWN_TYPESCRIPT)


def _node_modules(pinned: Path) -> Path:
    pins = [pinned / name for name in ("package.json", "package-lock.json")]

    def install(folder: Path) -> None:
        for pin in pins:
            shutil.copy(pin, folder)
        call("npm", "ci", "--no-audit", "--no-fund", folder=folder)

    return _installed("node", b"".join(it.read_bytes() for it in pins), install) / "node_modules"


def openapi_generator() -> Path:
    """Return the program of openapi-generator, for Java."""

    def install(folder: Path) -> None:
        options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--target", ".")
        call(sys.executable, "-m", "pip", "install", *options, OPENAPI_GENERATOR, folder=folder)

    folder = _installed("openapi-generator", OPENAPI_GENERATOR.encode(), install)
    return folder / "openapi_generator_cli" / "openapi-generator.jar"


def oapi_codegen() -> Path:
    """Return the program of oapi-codegen."""
    pins = [HERE / "go" / name for name in ("go.mod", "go.sum")]

    def install(folder: Path) -> None:
        for pin in pins:
            shutil.copy(pin, folder)
        call("go", "build", "-o", "oapi-codegen", OAPI_CODEGEN, folder=folder)

    return _installed("oapi-codegen", b"".join(it.read_bytes() for it in pins), install) / "oapi-codegen"


def _installed(name: str, pins: bytes, install: Callable[[Path], None]) -> Path:
    """Return the folder of a tool with these pins, installed by the first test that needs it.

    Installed beside and then renamed, so that a run that was interrupted leaves nothing half installed. Test processes
    that run side by side wait for each other.
    """
    folder = CACHE / f"{name}-{hashlib.sha256(pins).hexdigest()[:16]}"
    CACHE.mkdir(exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            beside = CACHE / f"{folder.name}.new"
            shutil.rmtree(beside, ignore_errors=True)
            beside.mkdir()
            install(beside)
            beside.rename(folder)
    return folder


def _environment() -> dict[str, str]:
    """Return the environment without the variables of this project's own tests."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("WAYPOST_", "DJANGO_", "PYTEST_"))
    }
