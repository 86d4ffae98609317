"""Generate, compile and run the client of each language, in a folder of its own."""

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clients.tools import HERE, node_modules, oapi_codegen, openapi_generator
from tests.installed_programs import call


@dataclass(frozen=True)
class Client:
    """A compiled client with its quickstart, and the command that runs it."""

    command: list[str | Path]
    folder: Path

    def quickstart(self, address: str, key: str, url: str) -> Any:
        """Return what the quickstart found."""
        return json.loads(call(*self.command, address, key, url, folder=self.folder))


def python_client(document: Path, folder: Path) -> Client:
    """Generate the client with openapi-python-client, which must not warn, and import all of it."""
    (folder / "config.yml").write_text("post_hooks: []\n")
    options = ("--meta", "none", "--config", "config.yml", "--output-path", "waypost_client")
    output = call(
        sys.executable, "-m", "openapi_python_client", "generate", *options, "--path", document, folder=folder
    )
    assert "Warning" not in output, output
    call(sys.executable, "-m", "compileall", "-q", "waypost_client", folder=folder)
    return Client([sys.executable, shutil.copy(HERE / "python" / "quickstart.py", folder)], folder)


def typescript_client(document: Path, folder: Path) -> Client:
    """Generate the client with openapi-generator's typescript-fetch, and compile it strictly."""
    generator = ("java", "-jar", openapi_generator(), "generate", "-g", "typescript-fetch")
    call(*generator, "-i", document, "-o", "client", folder=folder)
    for name in ("quickstart.ts", "tsconfig.json"):
        shutil.copy(HERE / "typescript" / name, folder)
    call(node_modules() / ".bin" / "tsc", "--project", ".", folder=folder)
    return Client(["node", folder / "built" / "quickstart.js"], folder)


def go_client(document: Path, folder: Path) -> Client:
    """Generate the client with oapi-codegen, and compile it."""
    for name in ("go.mod", "go.sum", "main.go"):
        shutil.copy(HERE / "go" / name, folder)
    (folder / "waypost").mkdir()
    options = ("-generate", "types,client", "-package", "waypost", "-o", "waypost/client.go")
    call(oapi_codegen(), *options, document, folder=folder)
    call("go", "build", "-o", "quickstart", ".", folder=folder)
    return Client([folder / "quickstart"], folder)


GENERATE: dict[str, Callable[[Path, Path], Client]] = {
    "python": python_client,
    "typescript": typescript_client,
    "go": go_client,
}
