"""Check out another commit into a directory, with a virtual environment that fits its requirements."""

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from benchmarks.deployment import ROOT

ENVIRONMENTS = Path(sys.prefix) / "compared"  # kept for the next comparison, one for each lock file
COMPLETE = "complete"  # file in an environment whose installation came to its end


class NoTreeError(Exception):
    """The commit cannot be checked out, or its requirements cannot be installed; the message says why."""


class Tree(NamedTuple):
    """A source tree and the Python that runs it."""

    name: str
    root: Path
    python: str


def working_tree() -> Tree:
    """Return this tree, with the changes that are not committed."""
    return Tree("here", ROOT, sys.executable)


def check_out(commit: str, directory: Path) -> Tree:
    """Extract a commit of this repository into the directory. Raises NoTreeError."""
    found = _git("rev-parse", "--verify", "--quiet", "--short", f"{commit}^{{commit}}")
    if found.returncode:
        raise NoTreeError(f"{commit} is no commit of this repository")
    name, archive = found.stdout.decode().strip(), directory / "tree.tar"
    _require(_git("archive", "--output", str(archive), name))
    root = directory / "tree"
    root.mkdir(mode=0o755)
    _require(subprocess.run(["tar", "-xf", archive, "-C", root], capture_output=True, check=False))
    archive.unlink()
    return Tree(name, root, _python_for(root))


def _python_for(root: Path) -> str:
    """Return this Python if the requirements are the same, otherwise that of an environment with those of the tree."""
    wanted = (root / "requirements.txt").read_bytes()
    if wanted == (ROOT / "requirements.txt").read_bytes():
        return sys.executable
    environment = ENVIRONMENTS / hashlib.sha256(wanted).hexdigest()[:12]
    python = environment / "bin" / "python"
    if not (environment / COMPLETE).exists():
        print("It has other requirements: installing them (about a minute, the first time only) ...", flush=True)
        _require(_run([sys.executable, "-m", "venv", "--clear", str(environment)]))
        _require(_run([str(python), "-m", "pip", "install", "--quiet", "-r", str(root / "requirements.txt")]))
        (environment / COMPLETE).touch()
    return str(python)


def _git(*arguments: str) -> "subprocess.CompletedProcess[bytes]":
    return _run(["git", "-C", str(ROOT), *arguments])


def _run(command: list[str]) -> "subprocess.CompletedProcess[bytes]":
    try:
        return subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        raise NoTreeError(f"{command[0]} is not installed") from None


def _require(done: "subprocess.CompletedProcess[bytes]") -> None:
    if done.returncode:
        raise NoTreeError((done.stderr.decode(errors="replace").strip().splitlines() or ["unknown reason"])[-1])
