"""Programs that wait for the same multiple of a period wake up together."""

from types import SimpleNamespace

import pytest

from webhooks.kit.process import wake_ups as module
from webhooks.kit.process.wake_ups import seconds_until


@pytest.mark.parametrize(
    ("now", "every", "expected"),
    [
        (100.0, 5.0, 5.0),
        (101.5, 5.0, 3.5),
        (104.4, 5.0, 0.6),
        (104.7, 5.0, 5.3),  # a timer that fired early
        (0.25, 1.0, 0.75),
    ],
)
def test_seconds_until_the_next_multiple(
    monkeypatch: pytest.MonkeyPatch, now: float, every: float, expected: float
) -> None:
    monkeypatch.setattr(module, "time", SimpleNamespace(time=lambda: now))
    assert seconds_until(every) == pytest.approx(expected)
