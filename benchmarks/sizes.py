"""How large the rows are: quick, full, or a part of full."""

from dataclasses import dataclass

__all__ = ["Sizes"]


@dataclass(frozen=True)
class Sizes:
    """``scale``: this part of the full sizes and times, but never less than the quick ones."""

    quick: bool = False
    scale: float = 1.0

    def of(self, quick: int, full: int) -> int:
        return quick if self.quick else max(min(quick, full), round(full * self.scale))

    def __str__(self) -> str:
        if self.quick:
            return "quick: small sizes, for comparison with itself only"
        return "full" if self.scale == 1.0 else f"{self.scale:g} of the full sizes, for comparison with itself only"
