"""Run one attack in a process of low priority: its own processor time stands for another machine's.

Reads its configuration from stdin, says ``ready`` once the attack runs, and ends with stdin.
"""

import json
import os
import sys

from tests.isolation.attacker import Attacker
from tests.isolation.attacks import ATTACKS


def main() -> None:
    os.nice(10)
    attacker = Attacker(**json.loads(sys.stdin.readline()))
    ATTACKS[attacker.number].run(attacker)
    print("ready", flush=True)
    sys.stdin.read()
    attacker.stopping.set()
    seen = ", ".join(f"{count} {what}" for what, count in attacker.outcomes.most_common(6))
    print(json.dumps({"requests": seen, "breaches": attacker.breaches}), flush=True)
    os._exit(0)  # clients may be in the middle of requests that never end


if __name__ == "__main__":
    main()
