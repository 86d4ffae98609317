"""Install brokers from Debian packages, where this process may."""

import os
import shutil
from pathlib import Path

from tests.processes import run


def missing(package: str, program: str) -> str:
    """Return why a program cannot be had, after trying to install its package; empty if it is there."""
    if Path(program).exists():
        return ""
    if os.geteuid() or not shutil.which("apt-get"):
        return f"{program} is missing, and only root can install the package {package}"
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", package]):
        run([command[0], "-qq", *command[1:]], env=environment)
    return "" if Path(program).exists() else f"the package {package} cannot be installed"
