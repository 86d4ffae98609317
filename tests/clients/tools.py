"""Find and install the tools that generate and compile clients. All versions are pinned.

Python's generator is a development dependency. What the other languages need is downloaded once, by the package client
of the language, into a folder of the virtual environment that is named by the pins. Only python3 is required: the
client of a language whose programs are not on this machine is left out, and the summary of the tests says so.
"""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.installed_programs import call, installed

HERE = Path(__file__).parent
OWN_TYPESCRIPT = HERE.parents[1] / "clients" / "typescript"
OPENAPI_GENERATOR = "openapi-generator-cli==7.26.0"  # the package contains the program itself, for Java
OAPI_CODEGEN = "github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen"
PROGRAMS = {"python": (), "typescript": ("node", "npm", "java"), "go": ("go",)}
"""By language: the programs that must be on the machine."""
REDOCLY_PROGRAMS = ("node", "npm")


@dataclass(frozen=True)
class GeneratedOnly:
    """A client that openapi-generator makes of the document, and how to compile it, or to check its syntax.

    ``options``: of the generator. ``compiler``: the program that has to be here. ``compile``: a command of the shell,
    in the folder of the client; ``$CACHE`` is a folder that is kept.
    """

    options: tuple[str, ...]
    compiler: str
    compile: str


GENERATED_ONLY = {
    "java": GeneratedOnly(("-g", "java"), "mvn", "mvn --batch-mode --quiet -DskipTests compile"),
    "csharp": GeneratedOnly(("-g", "csharp"), "dotnet", "dotnet build --nologo"),
    "ruby": GeneratedOnly(("-g", "ruby"), "ruby", "find lib -name '*.rb' -print0 | xargs -0 -n 1 ruby -c"),
    "php": GeneratedOnly(
        ("-g", "php", "--operation-id-name-mappings", "get_delivery_request=get_sent_request"),
        "php",
        "find lib -name '*.php' -print0 | xargs -0 -n 1 php -l",
    ),
    "rust": GeneratedOnly(("-g", "rust"), "cargo", "cargo check --quiet --target-dir $CACHE/rust-target"),
}
"""By language: what the page about generating shows."""


def available() -> list[str]:
    """Return the languages whose programs are all on this machine."""
    return [language for language in PROGRAMS if not missing(language)]


def missing(language: str) -> list[str]:
    """Return the programs of a language that are not on this machine."""
    return [program for program in PROGRAMS[language] if shutil.which(program) is None]


def absence() -> list[str]:
    """Return a sentence for each client that cannot be generated or compiled here, and for redocly."""
    found = [(f"the {it} client", missing(it)) for it in PROGRAMS]
    found.append((f"the clients for {', '.join(GENERATED_ONLY)}", [] if shutil.which("java") else ["java"]))
    for language, it in GENERATED_ONLY.items():
        found.append((f"compiling the {language} client", [] if shutil.which(it.compiler) else [it.compiler]))
    found.append(("redocly's check of the OpenAPI document", [it for it in REDOCLY_PROGRAMS if not shutil.which(it)]))
    return [f"left out here: {what}, since there is no {' and no '.join(them)}" for what, them in found if them]


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

    return installed("node", b"".join(it.read_bytes() for it in pins), install) / "node_modules"


def openapi_generator() -> Path:
    """Return the program of openapi-generator, for Java."""

    def install(folder: Path) -> None:
        options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--target", ".")
        call(sys.executable, "-m", "pip", "install", *options, OPENAPI_GENERATOR, folder=folder)

    folder = installed("openapi-generator", OPENAPI_GENERATOR.encode(), install)
    return folder / "openapi_generator_cli" / "openapi-generator.jar"


def oapi_codegen() -> Path:
    """Return the program of oapi-codegen."""
    pins = [HERE / "go" / name for name in ("go.mod", "go.sum")]

    def install(folder: Path) -> None:
        for pin in pins:
            shutil.copy(pin, folder)
        call("go", "build", "-o", "oapi-codegen", OAPI_CODEGEN, folder=folder)

    return installed("oapi-codegen", b"".join(it.read_bytes() for it in pins), install) / "oapi-codegen"
