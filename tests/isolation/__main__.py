"""Run the attacks and write the table; exit 1 if the neighbour failed, or something happened that never may."""

import argparse
import json
import signal
import sys
from dataclasses import asdict
from pathlib import Path

from tests.isolation import name_server, report
from tests.isolation.attack import Attack
from tests.isolation.attacks import ATTACKS
from tests.isolation.measurement import Result
from tests.isolation.run import ALONE, BESIDE, run


def main() -> int:
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    options = parser().parse_args()
    chosen = available(options.only)
    if options.list:
        print("\n".join(f"{it.number:>3}  {it.name}: {it.sentence}" for it in chosen))
        return 0
    results: list[Result] = []
    for result in run(chosen, alone=options.alone, beside=options.beside, fresh=options.fresh):
        results.append(result)
        print(report.text(result), flush=True)
        if options.json:
            options.json.write_text(json.dumps([asdict(it) for it in results]))
    print("", report.table(results), sep="\n")
    print(f"{sum(it.is_met for it in results)} of {len(results)} met the aim")
    return 1 if any(it.problems for it in results) else 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description="Measure a neighbour without and with each attacker.")
    made.add_argument("--only", default="", help="numbers of attacks, such as 4,11,20-25")
    made.add_argument("--alone", type=float, default=ALONE, help=f"seconds alone (default {ALONE:.0f})")
    made.add_argument("--beside", type=float, default=BESIDE, help=f"seconds beside it (default {BESIDE:.0f})")
    made.add_argument("--fresh", action="store_true", help="start a platform for each attack")
    made.add_argument("--json", type=Path, help="also write the results to this file")
    made.add_argument("--list", action="store_true", help="list the attacks")
    return made


def available(only: str) -> list[Attack]:
    """Return the chosen attacks that can run here; print which cannot."""
    numbers = [number for part in only.split(",") if part for number in numbers_of(part)] or sorted(ATTACKS)
    names = name_server.is_available()
    for number in numbers:
        if ATTACKS[number].by_name and not names:
            print(f"not available here (needs root, and mount namespaces): {ATTACKS[number].name}")
    return [ATTACKS[number] for number in numbers if names or not ATTACKS[number].by_name]


def numbers_of(part: str) -> list[int]:
    first, _, last = part.partition("-")
    return [number for number in range(int(first), int(last or first) + 1) if number in ATTACKS]


if __name__ == "__main__":
    sys.exit(main())
