"""Fuzz the real platform for long, phase by phase and with a new seed each time, and print the report.

python -m tests.api [OPTIONS OF SCHEMATHESIS RUN]      such as --max-time 600, --seed N to repeat, --include-path ...
"""

import signal
import sys
from typing import Any

from tests.api.fuzz import fuzz
from tests.faults.platforms import plain
from tests.faults.running_platform import Platform

TENANTS = ("ours", "theirs")
NOWHERE = "http://127.0.0.1:1080/"  # no server
EXAMPLES = ("--max-examples", "200")


def main(options: list[str]) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as Ctrl-C, so that the platform is shut down
    with plain() as platform:
        keys = {name: platform.tenant(name) for name in TENANTS}
        for key in keys.values():
            create_rows(platform, key)
        place = platform.data / "fuzz"
        place.mkdir()
        return fuzz(platform.address, keys, place, *(options or EXAMPLES), report=None).returncode


def create_rows(platform: Platform, key: str) -> None:
    """Create rows of each resource; a delivery that fails at once leaves attempts and a dead letter."""

    def make(path: str, **fields: Any) -> dict[str, Any]:
        return platform.post(path, key=key, **fields)

    endpoint = make("endpoints", url=NOWHERE, retry_plan=[1])
    make("subscriptions", endpoint=endpoint["id"])
    source = make("sources", scheme="none", name="unverified")
    make("event-types", name="fuzz.begun", schema={"type": "integer"}, schema_check="warn")
    make("keys", name="another", scopes=["read"])
    for number in range(3):
        make("events", type="fuzz.begun", data=number)
    make("replays", all=True)
    make(f"sources/{source['id']}/test")
    make("receipt-replays", all=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
