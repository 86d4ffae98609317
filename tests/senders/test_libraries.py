"""Hold the presets against the libraries of senders that are installed for this only."""

import pytest

from tests.senders.libraries import LIBRARIES
from tests.webhooks.senders.libraries import battery
from tests.webhooks.senders.libraries.battery import Library
from tests.webhooks.senders.proofs import FURTHER_LIBRARIES


@pytest.mark.parametrize("library", LIBRARIES, ids=str)
def test_message_of_the_preset_is_accepted_by_the_library(library: Library) -> None:
    battery.check_genuine(library)


@pytest.mark.parametrize("library", [it for it in LIBRARIES if it.altered], ids=str)
def test_altered_message_is_rejected_by_both(library: Library) -> None:
    battery.check_altered(library)


@pytest.mark.parametrize("library", [it for it in LIBRARIES if it.checks_time], ids=str)
def test_stale_message_is_rejected_by_both(library: Library) -> None:
    battery.check_stale(library)


def test_page_of_senders_names_these_libraries() -> None:
    assert {library.sender: library.package for library in LIBRARIES} == FURTHER_LIBRARIES
