"""Check the socket and the deadline on their own."""

import socket
from collections.abc import Iterator

import pytest

from webhooks.outgoing.guarded_connect import ConnectFailed, Deadline, DeadlineExceeded, connect_checked
from webhooks.wire.addresses.networks import compile_networks
from webhooks.wire.addresses.parsed_url import ForbiddenAddress, ParsedUrl, parse

OWN = compile_networks(("127.0.0.0/8",))


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture
def target(listener: socket.socket) -> ParsedUrl:
    return parse(f"http://hooks.example.com:{listener.getsockname()[1]}/", allow_http=True)


def test_connect_checked_uses_the_first_address_that_accepts(target: ParsedUrl) -> None:
    with Deadline(5) as deadline, connect_checked(target, ["127.0.0.9", "127.0.0.1"], OWN, deadline) as connection:
        assert connection.getpeername() == ("127.0.0.1", target.port)


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["::1"], ["10.0.0.1", "127.0.0.1"], ["0.0.0.0"]])
def test_connect_checked_rejects_a_forbidden_address(
    listener: socket.socket, target: ParsedUrl, addresses: list[str]
) -> None:
    with Deadline(5) as deadline, pytest.raises(ForbiddenAddress):
        connect_checked(target, addresses, compile_networks(()), deadline)
    listener.setblocking(False)
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_connect_checked_fails_if_no_address_accepts(target: ParsedUrl) -> None:
    with Deadline(5) as deadline, pytest.raises(ConnectFailed):
        connect_checked(target, ["127.0.0.9", "127.0.0.10"], OWN, deadline)


def test_connect_checked_does_not_connect_after_the_deadline(listener: socket.socket, target: ParsedUrl) -> None:
    with Deadline(0) as deadline, pytest.raises(DeadlineExceeded):
        connect_checked(target, ["127.0.0.1"], OWN, deadline)
    listener.setblocking(False)
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_deadline_ends_a_waiting_read(target: ParsedUrl) -> None:
    with Deadline(0.1) as deadline, connect_checked(target, ["127.0.0.1"], OWN, deadline) as connection:
        connection.settimeout(None)
        assert connection.recv(1) == b""
        assert deadline.passed


def test_deadline_left_in_time_keeps_the_connection_open(listener: socket.socket, target: ParsedUrl) -> None:
    with Deadline(0.1) as deadline:
        connection = connect_checked(target, ["127.0.0.1"], OWN, deadline)
    far, _ = listener.accept()
    with connection, far:
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        far.sendall(b"x")
        assert connection.recv(1) == b"x"


def test_left_is_more_than_zero_or_raises() -> None:
    assert 0 < Deadline(5).left() <= 5
    with pytest.raises(DeadlineExceeded):
        Deadline(0).left()
