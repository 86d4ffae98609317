"""Find the branches whose text operators accept a string, without trying each operator.

Prefixes are sorted, so that a binary search leads to the longest one that fits; suffixes are prefixes of the reversed
string; texts without regard to case are compared by hash after folding. No lookup reads more of the string than the
longest text in the patterns. Wildcards are tried one by one, each distinct one once.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Mapping

from webhooks.wire.patterns.arguments import Predicate
from webhooks.wire.patterns.masks import bits
from webhooks.wire.patterns.operators.strings import EqualsIgnoreCase, Prefix, Suffix, Wildcard
from webhooks.wire.step_budget import StepBudget

CHARACTERS_PER_STEP = 512  # of a string that is searched
PIECES_PER_STEP = 2  # that are searched in a short string

Finder = Callable[[str, StepBudget], int]
"""Returns the mask of the branches that have an operator, of one kind, that accepts the string."""


class PrefixLookup:
    """Masks by prefix, to find those of all prefixes of a string."""

    __slots__ = ("_masks", "_parents", "_texts", "longest")

    def __init__(self, masks: Mapping[str, int]) -> None:
        self._texts = sorted(masks)
        self._masks: list[int] = []  # each with the masks of the shorter prefixes of its text
        self._parents: list[int] = []  # the longest of these shorter prefixes
        self.longest = max(map(len, masks), default=0)
        shorter: list[int] = []
        for number, text in enumerate(self._texts):
            while shorter and not text.startswith(self._texts[shorter[-1]]):
                shorter.pop()
            parent = shorter[-1] if shorter else -1
            self._masks.append(masks[text] | (self._masks[parent] if shorter else 0))
            self._parents.append(parent)
            shorter.append(number)

    def find(self, text: str, budget: StepBudget) -> int:
        """Return the masks of all prefixes of a text.

        The longest prefix of the text is its predecessor in the sorted list, or a prefix of that predecessor.
        """
        budget.spend(3)
        number = bisect_right(self._texts, text) - 1
        while number >= 0:
            if text.startswith(self._texts[number]):
                return self._masks[number]
            budget.spend(2)
            number = self._parents[number]
        return 0


def text_finders(operators: Mapping[Predicate, int]) -> list[Finder]:
    """Return the finders for the text operators among these; the masks are those of the branches that have each.

    Folding never makes a text shorter and folds each character for itself. So the beginning of a folded text is the
    folded beginning of the text, and a text that is longer than all that it is compared with equals none of them.
    """
    texts: dict[tuple[type, bool], dict[str, int]] = defaultdict(dict)
    contained: dict[str, int] = {}
    wildcards: dict[Wildcard, int] = {}
    for operator, mask in operators.items():
        if isinstance(operator, (Prefix, Suffix)):
            text = operator.text[::-1] if isinstance(operator, Suffix) else operator.text
            texts[type(operator), operator.ignores_case][text] = mask
        elif isinstance(operator, EqualsIgnoreCase):
            texts[EqualsIgnoreCase, True][operator.text] = mask
        elif isinstance(operator, Wildcard):
            if operator.head or operator.tail or len(operator.middle) != 1:
                wildcards[operator] = mask
            else:
                contained[operator.middle[0]] = mask
    finders = [_FINDERS[kind](masks) for kind, masks in texts.items()]
    finders += [_find_contained(contained)] if contained else []
    return finders + ([WildcardLookup(wildcards).find] if wildcards else [])


class WildcardLookup:
    """Wildcards with their masks. Those whose first and last pieces do not fit are not tried."""

    __slots__ = ("_heads", "_tails", "_wildcards")

    def __init__(self, masks: Mapping[Wildcard, int]) -> None:
        self._wildcards = list(masks.items())
        heads: dict[str, int] = defaultdict(int)
        tails: dict[str, int] = defaultdict(int)
        for number, wildcard in enumerate(masks):
            heads[wildcard.head] |= 1 << number
            tails[wildcard.tail[::-1]] |= 1 << number
        self._heads, self._tails = PrefixLookup(heads), PrefixLookup(tails)

    def find(self, text: str, budget: StepBudget) -> int:
        """Return the masks of the wildcards that accept the text."""
        found = 0
        tail = _end(text, self._tails.longest)[::-1]
        for number in bits(self._heads.find(text, budget) & self._tails.find(tail, budget)):
            wildcard, mask = self._wildcards[number]
            budget.spend(5 + len(wildcard.middle) + len(text) // CHARACTERS_PER_STEP)
            if wildcard(text):
                found |= mask
        return found


def _find_prefixes(masks: Mapping[str, int]) -> Finder:
    return PrefixLookup(masks).find


def _find_suffixes(masks: Mapping[str, int]) -> Finder:
    lookup = PrefixLookup(masks)
    return lambda text, budget: lookup.find(_end(text, lookup.longest)[::-1], budget)


def _find_folded_prefixes(masks: Mapping[str, int]) -> Finder:
    lookup = PrefixLookup(masks)
    return lambda text, budget: lookup.find(text[: lookup.longest].casefold(), budget)


def _find_folded_suffixes(masks: Mapping[str, int]) -> Finder:
    lookup = PrefixLookup(masks)
    return lambda text, budget: lookup.find(_end(text, lookup.longest).casefold()[::-1], budget)


def _find_folded(masks: Mapping[str, int]) -> Finder:
    longest = max(map(len, masks))
    return lambda text, _: masks.get(text.casefold(), 0) if len(text) <= longest else 0


def _find_contained(masks: Mapping[str, int]) -> Finder:
    pieces = list(masks.items())

    def find(text: str, budget: StepBudget) -> int:
        budget.spend(1 + len(pieces) * (1 + len(text) // CHARACTERS_PER_STEP) // PIECES_PER_STEP)
        found = 0
        for piece, mask in pieces:
            if piece in text:
                found |= mask
        return found

    return find


def _end(text: str, length: int) -> str:
    return text[max(0, len(text) - length) :]


_FINDERS: Mapping[tuple[type, bool], Callable[[Mapping[str, int]], Finder]] = {
    (Prefix, False): _find_prefixes,
    (Suffix, False): _find_suffixes,
    (Prefix, True): _find_folded_prefixes,
    (Suffix, True): _find_folded_suffixes,
    (EqualsIgnoreCase, True): _find_folded,
}
