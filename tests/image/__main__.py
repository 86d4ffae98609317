"""Run `python -m tests.image [--base IMAGE]`: build the image, and run it; needs Podman or Docker.

``--base``: an image with python3 and its venv, in place of the one that the Dockerfile names, where that cannot be had.
``WAYPOST_IMAGE_BUILD`` and ``WAYPOST_IMAGE_RUN`` have more options of `build` and `run`, such as `--network host`.
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def main() -> int:
    """Return the exit status of the tests; 0 without a program that runs containers."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--base", default="", help="image to build on")
    base = parser.parse_args().base
    program = shutil.which("podman") or shutil.which("docker")
    if program is None:
        print("image: no podman and no docker here; going on without it")
        return 0
    os.environ |= {"WAYPOST_IMAGE_PROGRAM": program, "WAYPOST_IMAGE_BASE": base}
    return int(pytest.main([str(HERE), "-p", "no:randomly", "-s", "--durations=5"]))


if __name__ == "__main__":
    sys.exit(main())
