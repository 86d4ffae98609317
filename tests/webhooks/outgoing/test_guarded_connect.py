"""The socket and the deadline by themselves."""

import socket
from collections.abc import Iterator

import pytest

from webhooks.outgoing.guarded_connect import ConnectFailed, Deadline, DeadlineExceeded, connect_checked
from webhooks.wire.addresses.guard import ForbiddenAddress, ParsedUrl, compile_networks, parse

OWN = compile_networks(("127.0.0.0/8",))


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture
def target(listener: socket.socket) -> ParsedUrl:
    return parse(f"http://hooks.example.com:{listener.getsockname()[1]}/", allow_http=True)


def test_the_first_address_that_takes_the_connection_is_used(target: ParsedUrl) -> None:
    with Deadline(5) as deadline, connect_checked(target, ["127.0.0.9", "127.0.0.1"], OWN, deadline) as line:
        assert line.getpeername() == ("127.0.0.1", target.port)


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["::1"], ["10.0.0.1", "127.0.0.1"], ["0.0.0.0"]])
def test_an_address_nobody_checked_is_refused_by_the_socket_itself(
    listener: socket.socket, target: ParsedUrl, addresses: list[str]
) -> None:
    with Deadline(5) as deadline, pytest.raises(ForbiddenAddress):
        connect_checked(target, addresses, compile_networks(()), deadline)
    listener.setblocking(False)
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_no_address_that_takes_the_connection_is_a_failure(target: ParsedUrl) -> None:
    with Deadline(5) as deadline, pytest.raises(ConnectFailed):
        connect_checked(target, ["127.0.0.9", "127.0.0.10"], OWN, deadline)


def test_nothing_is_dialled_after_the_deadline(listener: socket.socket, target: ParsedUrl) -> None:
    with Deadline(0) as deadline, pytest.raises(DeadlineExceeded):
        connect_checked(target, ["127.0.0.1"], OWN, deadline)
    listener.setblocking(False)
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_a_read_that_waits_ends_when_the_deadline_comes(target: ParsedUrl) -> None:
    with Deadline(0.1) as deadline, connect_checked(target, ["127.0.0.1"], OWN, deadline) as line:
        line.settimeout(None)
        assert line.recv(1) == b""
        assert deadline.passed


def test_a_connection_outlives_a_deadline_that_was_left_in_time(listener: socket.socket, target: ParsedUrl) -> None:
    with Deadline(0.1) as deadline:
        line = connect_checked(target, ["127.0.0.1"], OWN, deadline)
    far, _ = listener.accept()
    with line, far:
        line.settimeout(0.3)
        with pytest.raises(TimeoutError):
            line.recv(1)
        far.sendall(b"x")
        assert line.recv(1) == b"x"


def test_the_time_left_is_never_nothing() -> None:
    assert 0 < Deadline(5).left() <= 5
    with pytest.raises(DeadlineExceeded):
        Deadline(0).left()
