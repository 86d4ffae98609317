"""Run replays and erasures to their end."""

from delivery.lifecycle import erasures
from delivery.models import Erasure, Replay
from delivery.replaying import replays
from tests.jobs import run_to_end


def replay_to_end(row: Replay) -> Replay:
    """Run slices until the replay has ended."""
    return run_to_end(row, replays.run_slices)


def erase_to_end(row: Erasure) -> Erasure:
    """Run slices until the erasure has ended."""
    return run_to_end(row, erasures.run_slices)
