"""Run rounds: all faults of one seed, one after another on one platform, with a check after each.

Each fault therefore also meets a platform that has been through others. Several platforms run at the same time, since
they mostly wait for leases, claims and retries to expire; they share only the machine.
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

from tests.faults.fault_run import FaultResult, fault_runner
from tests.faults.injectors import FAULTS
from tests.faults.platforms import PLATFORMS
from tests.faults.report import print_result
from tests.processes import guard


class Round(NamedTuple):
    """The names of the faults of one seed for one kind of platform, in order."""

    platform_kind: str
    seed: int
    faults: tuple[str, ...]


class FaultOutcome(NamedTuple):
    """The result of one fault; a text if it could not be completed."""

    fault: str
    seed: int
    result: FaultResult | str

    @property
    def is_violated(self) -> bool:
        return isinstance(self.result, str) or bool(self.result.report.violations)


def plan_rounds(faults: list[str], seeds: range) -> list[Round]:
    """Plan the rounds by seed; the seed decides the order of the faults."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in faults:
        groups[FAULTS[name].platform_kind].append(name)
    return [
        Round(platform_kind, seed, tuple(random.Random(seed).sample(names, len(names))))
        for seed in seeds
        for platform_kind, names in groups.items()
    ]


def run_rounds(rounds: list[Round], platforms: int) -> list[FaultOutcome]:
    """Run rounds on this many platforms at a time, printing each result. An exception stops all platforms."""
    pool = ProcessPoolExecutor(platforms, get_context("spawn"), clean_up_on_sigterm)
    try:
        results = pool.map(_run_round, rounds)
        for process in active_children():
            if process.pid:
                guard().add(process.pid)
        return list(chain.from_iterable(results))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in active_children():
            process.terminate()
        pool.shutdown()


def clean_up_on_sigterm() -> None:
    """Exit on SIGTERM as on Ctrl-C, so that platforms are stopped and their data removed.

    Later signals are ignored: the pool terminates its processes again when the first has ended, while the others are
    still cleaning up.
    """

    def leave(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sys.exit(143)

    signal.signal(signal.SIGTERM, leave)


def _run_round(round_: Round) -> list[FaultOutcome]:
    ended: list[FaultOutcome] = []
    try:
        while len(ended) < len(round_.faults):
            ended += _run_on_one_platform(round_._replace(faults=round_.faults[len(ended) :]))
    except SystemExit:  # the platform is stopped; returning would start the next round
        os._exit(143)
    return ended


def _run_on_one_platform(round_: Round) -> Iterator[FaultOutcome]:
    """Run faults on one platform until one cannot be completed; the others need a new platform."""
    with PLATFORMS[round_.platform_kind]() as platform, fault_runner(platform) as runner:
        for name in round_.faults:
            try:
                result: FaultResult | str = runner.run(FAULTS[name], round_.seed)
            except (AssertionError, OSError) as error:
                result = f"{error}\n{platform.log_tail()}"
            print_result(name, round_.seed, result)
            yield FaultOutcome(name, round_.seed, result)
            if isinstance(result, str):
                return
