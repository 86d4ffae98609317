"""Install the libraries beside those of the tests: into a folder of the local data, none that is there already."""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements-senders.txt"
_REQUIREMENT = re.compile(r"^(?=[A-Za-z0-9])", re.MULTILINE)


def additional(lock: str, installed: str) -> str:
    """Return the requirements of a lock that are not in the lock of what is installed."""
    present = set(_requirements(installed))
    return "".join(it for it in _requirements(lock) if it not in present)


def install(data: Path) -> Path:
    """Install the libraries into a folder of the data, once for each content of the lock; return the folder.

    Raises CalledProcessError with the output of pip, if they cannot be had.
    """
    text = additional(LOCK.read_text(), (ROOT / "requirements-dev.txt").read_text())
    folder = data / "senders" / hashlib.sha256(text.encode()).hexdigest()[:16]
    done = folder / "installed"
    if done.exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    requirements = folder / "requirements.txt"
    requirements.write_text(text)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--no-deps", "--upgrade"]
    subprocess.run([*pip, "--target", str(folder), "-r", str(requirements)], check=True, capture_output=True, text=True)
    done.touch()
    return folder


def _requirements(lock: str) -> list[str]:
    return [it for it in _REQUIREMENT.split(lock) if re.match(r"[A-Za-z0-9]", it)]
