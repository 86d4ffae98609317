"""Combine sets of branches as bit masks: bit n of an integer stands for branch n.

CPython combines 30 bits at a time. ``RangeMasks`` and ``AllBut`` are segment trees: they combine many masks in
logarithmically many steps.
"""

from collections.abc import Iterable, Iterator


def bits(mask: int) -> Iterator[int]:
    """Yield the numbers of the bits that are set, the smallest first."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


class RangeMasks:
    """Masks that each hold for a range of positions, to find those of one position."""

    __slots__ = ("_size", "_tree")

    def __init__(self, size: int) -> None:
        """Make room for positions below ``size``."""
        self._size = size
        self._tree = [0] * (2 * size)

    def add(self, start: int, end: int, mask: int) -> None:
        """Add a mask to the positions from ``start`` to before ``end``."""
        start, end = start + self._size, end + self._size
        while start < end:
            if start & 1:
                self._tree[start] |= mask
                start += 1
            if end & 1:
                end -= 1
                self._tree[end] |= mask
            start, end = start >> 1, end >> 1

    def at(self, position: int) -> int:
        """Return all masks of a position, combined."""
        position, mask = position + self._size, 0
        while position:
            mask |= self._tree[position]
            position >>= 1
        return mask


class AllBut:
    """Masks in a row, to combine all of them except some."""

    __slots__ = ("_size", "_tree")

    def __init__(self, masks: list[int]) -> None:
        self._size = len(masks)
        self._tree = [0] * self._size + masks
        for position in range(self._size - 1, 0, -1):
            self._tree[position] = self._tree[2 * position] | self._tree[2 * position + 1]

    def combined(self, excluded: Iterable[int]) -> int:
        """Return all masks combined, except those in these positions."""
        mask, start = 0, 0
        for position in sorted(excluded):
            mask |= self._between(start, position)
            start = position + 1
        return mask | self._between(start, self._size)

    def _between(self, start: int, end: int) -> int:
        start, end, mask = start + self._size, end + self._size, 0
        while start < end:
            if start & 1:
                mask |= self._tree[start]
                start += 1
            if end & 1:
                end -= 1
                mask |= self._tree[end]
            start, end = start >> 1, end >> 1
        return mask
