"""Judge paired measurements of two versions: which figures became worse, beyond the noise.

The two versions are measured in turns; each round gives a pair. The noise of a machine that others use as well is
larger than most changes, but it is mostly the same within a pair, so the ratios of the pairs are compared. A figure
became worse if both hold:

- the median of the ratios is worse than 5 %;
- so many pairs are worse that an unchanged version would have as many in 5 % of comparisons at most (sign test): all of
  5, 6 or 7 pairs, 7 of 8, 8 of 9, 9 of 10. With fewer than 5 pairs nothing is judged.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from benchmarks.result import Figure, Result

MARGIN = 0.05  # a median within it is no change
SIGNIFICANCE = 0.05  # the largest probability of a finding if nothing changed
FEWEST_PAIRS = 5

Verdict = Literal["worse", "better", "unclear", "same", "not judged"]


@dataclass
class Measured:
    """The results of a row, a pair for each round: the base's and ours. `failures`: by side, why there are no more."""

    row: str
    pairs: list[tuple[Result, Result]] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)


@dataclass
class Change:
    """A figure of a row in both versions. `ratios`: how many times better ours is, in each round."""

    row: str
    figure: str
    base: float
    ours: float
    ratios: list[float]

    @property
    def median(self) -> float:
        """Return the median of the ratios."""
        return statistics.median(self.ratios)

    @property
    def verdict(self) -> Verdict:
        """Judge the change by the rule of this module."""
        if len(self.ratios) < FEWEST_PAIRS:
            return "not judged"
        if abs(math.log(self.median)) <= -math.log(1 - MARGIN):
            return "same"
        worse, better = sum(one < 1 for one in self.ratios), sum(one > 1 for one in self.ratios)
        if self.median < 1:
            return "worse" if is_significant(worse, worse + better) else "unclear"
        return "better" if is_significant(better, worse + better) else "unclear"


def is_significant(successes: int, pairs: int) -> bool:
    """Return whether a fair coin would show `successes` heads or more in at most 5 % of cases (one-sided sign test)."""
    outcomes = sum(math.comb(pairs, count) for count in range(successes, pairs + 1))
    return outcomes <= SIGNIFICANCE * float(2**pairs)


def changes(measured: Measured) -> list[Change]:
    """Return the changes of all figures that both versions have in every round and that are not 0."""
    rounds = [(base.figures, ours.figures) for base, ours in measured.pairs]
    names = [name for name in (rounds[0][1] if rounds else {}) if all(name in base for base, _ in rounds)]
    found = (_change(measured.row, name, [(base[name], ours[name]) for base, ours in rounds]) for name in names)
    return [change for change in found if all(change.ratios)]


def _change(row: str, name: str, values: Sequence[tuple[Figure, Figure]]) -> Change:
    base = statistics.median(each.value for each, _ in values)
    ours = statistics.median(each.value for _, each in values)
    return Change(row, f"{name}, {values[0][0].unit}", base, ours, [new.times_better_than(old) for old, new in values])
