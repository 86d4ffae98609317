"""The long form of the fault suite: per seed every fault, in an order of its own; status 1 if a promise was broken.

python -m tests.faults [--seeds 20] [--first 1] [--only WORDS] [--houses N]

``--first SEED --seeds 1`` repeats one seed in the same order; with ``--only`` a fault is tried alone.
"""

import argparse
import os
import sys

from tests.faults.houses import why_not
from tests.faults.injectors import FAULTS
from tests.faults.report import out, table
from tests.faults.rounds import planned, play_all, put_away_on_sigterm
from tests.faults.scene import Result


def main() -> int:
    put_away_on_sigterm()
    given = arguments()
    rounds = planned(available(given.only), range(given.first, given.first + given.seeds))
    ended = play_all(rounds, given.houses)
    broken = [f"{it.fault}, seed {it.seed}" for it in ended if it.is_broken]
    out.print(table([it.result for it in ended if isinstance(it.result, Result)]))
    out.print("\n".join([f"{len(ended)} runs, {len(broken)} of them broke a promise", *broken]), markup=False)
    return 1 if broken else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Break the platform, one fault after the other; compare the books.")
    parser.add_argument("--seeds", type=int, default=20, help="how often each fault is tried (default 20)")
    parser.add_argument("--first", type=int, default=1, help="the first seed (default 1)")
    parser.add_argument("--only", default="", help="faults whose name has these words in it")
    houses = 2 * (os.cpu_count() or 1)
    parser.add_argument("--houses", type=int, default=houses, help=f"how many stand side by side (default {houses})")
    return parser.parse_args()


def available(words: str) -> list[str]:
    """The names of the faults that have these words and can be tried here; says of the others why not."""
    chosen = [fault for fault in FAULTS.values() if words in fault.name]
    reasons = {wants: why_not(wants) for wants in {fault.wants for fault in chosen}}
    for fault in chosen:
        if reasons[fault.wants]:
            out.print(f"not available here ({reasons[fault.wants]}): {fault.name}")
    return [fault.name for fault in chosen if not reasons[fault.wants]]


if __name__ == "__main__":
    sys.exit(main())
