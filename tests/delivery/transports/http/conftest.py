"""Fixtures of the tests of sending requests."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from delivery.transports.http.sender import HttpSender


@pytest.fixture
def sender() -> Iterator[HttpSender]:
    with closing(HttpSender(allow_http=True)) as it:
        yield it
