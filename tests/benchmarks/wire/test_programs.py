"""Test the load generator and the sink, built and run against each other."""

import itertools
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.wire.messages import publish_batch, publish_one
from benchmarks.wire.programs import LoadGenerator, NoCompilerError, Sink, build
from tests.processes import start
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("wire")
    build(made)
    return made


@pytest.fixture(scope="module")
def sink(directory: Path) -> Iterator[Sink]:
    made = Sink(directory, start)
    yield made
    made.close()


@pytest.fixture
def generator(directory: Path) -> LoadGenerator:
    return LoadGenerator(directory, start)


def requests_to(sink: Sink, lane: int, kind: str, size: int = 500) -> tuple[int, list[bytes]]:
    """Return the sink's port, and an event as a request to an endpoint's path."""
    request = publish_one("key", "bench.it", size).replace(b"/api/v1/events/", f"/{kind}/{lane}".encode())
    return int(sink.url(lane).split(":")[2].split("/")[0]), [request]


@pytest.mark.parametrize(("kind", "status"), [("o", 200), ("f", 500)])
@pytest.mark.parametrize("size", [500, 1_000_000])
def test_request_arrives_once_with_its_lane_and_due_time(
    generator: LoadGenerator, sink: Sink, kind: str, status: int, size: int
) -> None:
    since = sink.count
    port, requests = requests_to(sink, 4711, kind, size)
    responses = generator.send(port, requests, count=50, rate=0.0, connections=3)
    arrivals = sink.arrivals(since)
    assert [response.status for response in responses] == [status] * 50
    assert [arrival.lane for arrival in arrivals] == [4711] * 50
    assert sorted(arrival.due for arrival in arrivals) == sorted(response.due for response in responses)
    assert all(arrival.milliseconds > 0 for arrival in arrivals)
    assert all(response.due <= response.sent < response.done for response in responses)


def test_requests_with_a_rate_are_due_by_the_clock(generator: LoadGenerator, sink: Sink) -> None:
    port, requests = requests_to(sink, 1, "o")
    responses = generator.send(port, requests, count=20, rate=100.0, connections=4)
    due = sorted(response.due for response in responses)
    assert {round((later - earlier) / 1e6) for earlier, later in itertools.pairwise(due)} == {10}


def test_hanging_endpoint_records_the_arrival_and_does_not_respond(directory: Path, sink: Sink) -> None:
    since = sink.count
    port, requests = requests_to(sink, 2, "h")
    (directory / "one").write_bytes(len(requests[0]).to_bytes(4, "little") + requests[0])
    load = start([str(directory / "load"), str(port), "1", "0", "1", str(directory / "one")])
    wait_until(lambda: sink.count > since, "the arrival")
    assert sink.arrivals(since)[0].lane == 2
    assert load.poll() is None
    load.kill()
    load.wait()


def test_slow_endpoint_responds_after_five_seconds_to_each_request(generator: LoadGenerator, sink: Sink) -> None:
    port, requests = requests_to(sink, 3, "s")
    responses = generator.send(port, requests, count=20, rate=0.0, connections=20)
    assert [response.status for response in responses] == [200] * 20
    assert all(response.done - response.sent >= 5_000_000_000 for response in responses)


def test_slow_response_to_a_closed_connection_is_left_out(directory: Path, sink: Sink) -> None:
    since = sink.count
    port, requests = requests_to(sink, 4, "s")
    (directory / "one").write_bytes(len(requests[0]).to_bytes(4, "little") + requests[0])
    load = start([str(directory / "load"), str(port), "1", "0", "1", str(directory / "one")])
    wait_until(lambda: sink.count > since, "the arrival")
    load.kill()
    load.wait()
    responses = LoadGenerator(directory, start).send(port, requests, count=2, rate=0.0, connections=2)
    assert [response.status for response in responses] == [200] * 2


def test_sink_that_is_down_refuses_connections_until_it_comes_up(directory: Path, generator: LoadGenerator) -> None:
    made = Sink(directory, start, name="arrivals-down", down=True)
    port, requests = requests_to(made, 5, "o")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port)).close()
    made.come_up()
    wait_until(lambda: accepts(port), "the sink")
    assert [one.status for one in generator.send(port, requests, count=3, rate=0.0, connections=1)] == [200] * 3
    assert made.count == 3
    made.close()


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


def test_batch_has_a_number_and_a_due_time_for_each_event() -> None:
    batch = publish_batch("key", ["bench.a", "bench.b"], 300)
    assert batch.count(b"#" * 19) == 2
    assert batch.count(b"@" * 19) == 2


def test_endpoints_have_addresses_of_their_own_up_to_a_thousand(sink: Sink) -> None:
    hosts = {sink.url(lane).split("/")[2] for lane in range(1_000)}
    assert len(hosts) == 1_000
    assert sink.url(1_003, "f").startswith(sink.url(3).rsplit("/", 2)[0])


def test_build_without_a_compiler_says_what_is_needed(monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(NoCompilerError, match="needs a C compiler"):
        build(directory)
