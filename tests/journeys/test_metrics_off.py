"""A platform without metrics: nothing is counted for Prometheus, and statistics, alerts, probes and status go on."""

import json
import tempfile
import urllib.request
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from tests.faults.running_platform import DIRECT, Platform
from tests.receiver import Receiver
from tests.waiting import wait_until


@pytest.fixture
def platform() -> Iterator[Platform]:
    with tempfile.TemporaryDirectory() as above:
        Path(above).chmod(0o711)  # the embedded servers run as another user, if we are root
        data = Path(above) / "data"
        data.mkdir(mode=0o711)
        with Platform(data, {"WAYPOST_METRICS": "no"}) as running:
            yield running


def read(platform: Platform, path: str) -> tuple[int, str]:
    """Return the status and the text of the response to a GET with the tenant's key."""
    request = urllib.request.Request(
        f"{platform.address}{path}", headers={"authorization": f"Bearer {platform.api_key}"}
    )
    try:
        with DIRECT.open(request) as response:
            return response.status, response.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def content(platform: Platform, path: str) -> Any:
    return json.loads(read(platform, path)[1])


def test_platform_without_metrics_writes_no_file_of_them_and_does_all_else(
    platform: Platform, receiver: Receiver
) -> None:
    endpoint = platform.post("endpoints", url=receiver.url("/"), subscriptions=[{"event_types": ["order.*"]}])
    for number in range(3):
        platform.post("events", type="order.paid", id=str(number), data={"number": number})
    statistics = f"/api/v1/endpoints/{endpoint['id']}/stats/"
    wait_until(lambda: content(platform, statistics)["total"]["attempts"] == 3, "the statistics")
    assert len(receiver.at("/")) == 3
    wait_until(lambda: platform.sql("SELECT count(evaluated_at) FROM delivery_alertrule") != [(0,)], "alert rules")
    wait_until(lambda: content(platform, "/readyz")["status"] == "ok", "heartbeats of all programs")
    assert content(platform, "/status/").keys() >= {"busy", "drain_count", "backlog"}

    status, text = read(platform, "/metrics")
    assert (status, text) == (HTTPStatus.NOT_FOUND, "There are no metrics: the setting WAYPOST_METRICS is off.\n")
    assert list((platform.data / "up" / "counters").iterdir()) == []
