"""Hold the presets against libraries of the senders, those that are installed for all tests."""

import pytest

from tests.webhooks.senders.libraries import battery
from tests.webhooks.senders.libraries.battery import Library
from tests.webhooks.senders.libraries.light import LIBRARIES

with_each = pytest.mark.parametrize("library", LIBRARIES, ids=str)


@with_each
def test_message_of_the_preset_is_accepted_by_the_library(library: Library) -> None:
    battery.check_genuine(library)


@with_each
def test_altered_message_is_rejected_by_both(library: Library) -> None:
    battery.check_altered(library)


@pytest.mark.parametrize("library", [it for it in LIBRARIES if it.checks_time], ids=str)
def test_stale_message_is_rejected_by_both(library: Library) -> None:
    battery.check_stale(library)
