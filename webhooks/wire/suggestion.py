"""Suggest the known name that a misspelt one probably stands for."""

from collections.abc import Collection
from difflib import get_close_matches

_MAX_COMPARED = 64  # characters: comparing takes time by the product of the lengths


def did_you_mean(name: str, known: Collection[str]) -> str:
    """Return ``did you mean "data"?`` for a name that resembles a known one; empty otherwise."""
    if not 1 < len(name) <= _MAX_COMPARED:
        return ""
    by_lower = {it.lower(): it for it in known}
    found = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.7)
    return f'did you mean "{by_lower[found[0]]}"?' if found else ""
