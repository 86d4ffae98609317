"""Run the long form of the fault suite: every fault for each seed, in random order; exit 1 if a guarantee was violated.

Every platform delivers to HTTP endpoints and, beside them, to a topic of Kafka (tests/faults/topic.py).

python -m tests.faults [--seeds 20] [--first 1] [--only WORDS] [--platforms N]

``--first SEED --seeds 1`` repeats a seed in the same order; ``--only`` runs a single fault.
"""

import argparse
import os
import sys

from tests.faults.fault_run import FaultResult
from tests.faults.injectors import FAULTS
from tests.faults.platforms import missing_requirement
from tests.faults.report import out, table
from tests.faults.rounds import clean_up_on_sigterm, plan_rounds, run_rounds

DESCRIPTION = """Inject faults into the platform one by one while it delivers to HTTP endpoints and to a topic of Kafka,
and compare what was accepted with what arrived: nothing lost, repeats byte-identical, order kept where promised."""


def main() -> int:
    clean_up_on_sigterm()
    options = arguments()
    rounds = plan_rounds(available(options.only), range(options.first, options.first + options.seeds))
    ended = run_rounds(rounds, options.platforms)
    broken = [f"{it.fault}, seed {it.seed}" for it in ended if it.is_violated]
    out.print(table([it.result for it in ended if isinstance(it.result, FaultResult)]))
    out.print("\n".join([f"{len(ended)} runs, {len(broken)} of them violated a guarantee", *broken]), markup=False)
    return 1 if broken else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=DESCRIPTION)
    parser.add_argument("--seeds", type=int, default=20, help="number of seeds (default 20)")
    parser.add_argument("--first", type=int, default=1, help="the first seed (default 1)")
    parser.add_argument("--only", default="", help="only faults whose name contains these words")
    platforms = 2 * (os.cpu_count() or 1)
    parser.add_argument("--platforms", type=int, default=platforms, help=f"platforms at a time (default {platforms})")
    return parser.parse_args()


def available(words: str) -> list[str]:
    """Return the names of the faults with these words that can run here; print why the others cannot."""
    chosen = [fault for fault in FAULTS.values() if words in fault.name]
    reasons = {
        platform_kind: missing_requirement(platform_kind) for platform_kind in {fault.platform_kind for fault in chosen}
    }
    for fault in chosen:
        if reasons[fault.platform_kind]:
            out.print(f"not available here ({reasons[fault.platform_kind]}): {fault.name}")
    return [fault.name for fault in chosen if not reasons[fault.platform_kind]]


if __name__ == "__main__":
    sys.exit(main())
