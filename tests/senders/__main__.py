"""Run `python -m tests.senders`: hold the presets against the libraries of senders, after installing those.

They are installed into the local data, so the first run takes minutes. Without the index of packages nothing is tested;
this is printed and fails nothing.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.senders.installation import ROOT, install

HERE = Path(__file__).parent


def main(arguments: list[str]) -> int:
    """Return the exit status of the tests; 0 if the libraries cannot be had."""
    print("== installing the libraries of senders (minutes, the first time only)", flush=True)
    try:
        folder = install(Path(os.environ.get("WAYPOST_DATA") or ROOT / ".waypost"))
    except subprocess.CalledProcessError as error:
        print(error.stderr, "NOT TESTED: the libraries of senders cannot be installed", sep="\n", file=sys.stderr)
        return 0
    os.environ["WAYPOST_SENDERS"] = str(folder)
    options = ["-W", "default::DeprecationWarning", "-p", "no:randomly", *arguments]
    return int(pytest.main([str(HERE), *options]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
