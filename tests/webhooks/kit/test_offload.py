import threading

import pytest

from tests.threads import NoThreads
from webhooks.kit import offload


def test_offload_returns_or_raises_what_another_thread_did() -> None:
    assert offload.offload(threading.get_ident) != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        offload.offload(lambda: 1 / 0)


def test_offload_without_a_thread_runs_the_work_in_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offload, "threads", NoThreads())
    assert offload.offload(threading.get_ident) == threading.get_ident()
