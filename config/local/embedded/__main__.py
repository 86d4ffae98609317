"""Discard embedded servers: stop them and remove all their files, wherever they are.

    python -m config.local.embedded discard DIRECTORY [SECONDS]

Covers the servers of the data directory DIRECTORY and those of data directories inside it, and removes DIRECTORY.
Waits up to SECONDS (default 10) for other processes that use a server; status 1 if one is in use after that.
"""

import shutil
import sys
from pathlib import Path

from config.local.embedded import EmbeddedError, discard


def main(command: str = "", directory: str = "", seconds: str = "10") -> None:
    """Run the command. Raises SystemExit with the reason if it is unknown or a server is still in use."""
    if command != "discard" or not directory:
        sys.exit(__doc__)
    whole = Path(directory).absolute()
    leases = whole.glob("**/lease/users")
    try:
        for data in sorted({users.parents[2] for users in leases}, reverse=True):  # the innermost first
            discard(data, float(seconds))
    except EmbeddedError as error:
        sys.exit(str(error))
    shutil.rmtree(whole, ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
