"""Run `python -m tests.brokers [NAME ...]`: test sources against real brokers, those that can be had on this machine.

Each folder beside this file has a module ``server`` with ``absence()``, which fetches what the broker needs and returns
why it cannot be had, or an empty string. What is absent is printed, and fails nothing. The brokers are tested side by
side, each by a process of its own: most of the time is spent waiting for them.
"""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

from tests.processes import run

HERE = Path(__file__).parent


def main(names: list[str]) -> int:
    """Return the exit status of the tests; 0 if no broker can be had."""
    present = []
    for folder in sorted(it.parent.name for it in HERE.glob("*/server.py")):
        if names and folder not in names:
            continue
        if absence := import_module(f"tests.brokers.{folder}.server").absence():
            print(f"{folder}: {absence}; going on without it", flush=True)
        else:
            present.append(folder)
    if not present:
        return 0
    with ThreadPoolExecutor(len(present)) as threads:
        return max(threads.map(tested, present))


def tested(name: str) -> int:
    """Test the sources and destinations of a broker, print what its tests print, and return their exit status."""
    command = [sys.executable, "-m", "pytest", str(HERE / name), "-p", "no:randomly", "--durations=5"]
    done = run(command, env={**os.environ, "WAYPOST_BROKERS": name}, text=True)
    print(f"{done.stdout}{done.stderr}", end="", flush=True)
    return int(done.returncode)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
