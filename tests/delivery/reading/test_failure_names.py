"""Check that lists name each kind of failure in words."""

import pytest

from delivery.admin.display import last_result
from delivery.reading.timeline import FAILURE_NAMES, failure_name
from delivery.transports.outcome import Failure


def test_every_failure_has_a_name_in_words() -> None:
    assert FAILURE_NAMES.keys() == set(Failure)
    assert [it for it in FAILURE_NAMES.values() if "_" in it] == []


@pytest.mark.parametrize(("kind", "name"), [("connect", "connection refused"), ("503", "503"), ("", "")])
def test_failure_name_leaves_what_is_no_failure(kind: str, name: str) -> None:
    assert failure_name(kind) == name


@pytest.mark.parametrize(
    ("status", "error", "title", "text"),
    [
        (503, "status", "", "503"),
        (None, "tls_name", "tls_name", "certificate for another host"),
        (200, "refused", "refused", "200 message not accepted"),
        (204, "", "", "204"),
    ],
)
def test_last_result_is_in_words_with_the_code_as_the_tooltip(
    status: int | None, error: str, title: str, text: str
) -> None:
    shown = last_result(status, error)
    assert f'title="{title}">{text}<' in shown
