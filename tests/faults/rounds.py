"""A round: one house goes through all faults of one seed, one after the other, and the books are compared after each.

So each fault also meets a platform that has been through others. Several houses stand side by side, since they mostly
wait (for leases, claims and retries to run out); they share nothing but the machine.
"""

import os
import random
import signal
import sys
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import chain
from multiprocessing import active_children, get_context
from typing import NamedTuple

from tests.faults.houses import HOUSES
from tests.faults.injectors import FAULTS
from tests.faults.report import tell
from tests.faults.scene import Result, scene
from tests.processes import guard


class Round(NamedTuple):
    """The faults of one seed that want such a house, by name, in their order."""

    wants: str
    seed: int
    faults: tuple[str, ...]


class Ended(NamedTuple):
    """What became of one fault; words, if the house never became quiet."""

    fault: str
    seed: int
    result: Result | str

    @property
    def is_broken(self) -> bool:
        return isinstance(self.result, str) or bool(self.result.report.breaches)


def planned(faults: list[str], seeds: range) -> list[Round]:
    """Seed by seed; the order of the faults comes from the seed."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in faults:
        groups[FAULTS[name].wants].append(name)
    return [
        Round(wants, seed, tuple(random.Random(seed).sample(names, len(names))))
        for seed in seeds
        for wants, names in groups.items()
    ]


def play_all(rounds: list[Round], houses: int) -> list[Ended]:
    """So many houses at a time; each tells what becomes of its faults as they end. Whoever leaves this early has the
    houses put away."""
    pool = ProcessPoolExecutor(houses, get_context("spawn"), put_away_on_sigterm)
    try:
        results = pool.map(_play, rounds)
        for process in active_children():
            if process.pid:
                guard().add(process.pid)
        return list(chain.from_iterable(results))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in active_children():
            process.terminate()
        pool.shutdown()


def put_away_on_sigterm() -> None:
    """As on Ctrl-C: leaving the house ends its platform and forgets its data. Once is enough: the pool terminates its
    processes again when the first of them has ended, in the middle of what the others put away."""

    def leave(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sys.exit(143)

    signal.signal(signal.SIGTERM, leave)


def _play(round_: Round) -> list[Ended]:
    ended: list[Ended] = []
    try:
        while len(ended) < len(round_.faults):
            ended += _in_one_house(round_._replace(faults=round_.faults[len(ended) :]))
    except SystemExit:  # the house has been put away; to return would be to be given the next round
        os._exit(143)
    return ended


def _in_one_house(round_: Round) -> Iterator[Ended]:
    """Until one fault leaves it without peace: then the house is given up, and the rest wants a new one."""
    with HOUSES[round_.wants]() as house, scene(house) as stage:
        for name in round_.faults:
            try:
                result: Result | str = stage.play(FAULTS[name], round_.seed)
            except (AssertionError, OSError) as error:
                result = f"{error}\n{house.last_words()}"
            tell(name, round_.seed, result)
            yield Ended(name, round_.seed, result)
            if isinstance(result, str):
                return
