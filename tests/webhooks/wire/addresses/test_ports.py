"""Which high ports are known for something that is not a web server."""

import pytest

from webhooks.wire.addresses.ports import BAD_PORTS, SERVICE_PORTS, is_service


@pytest.mark.parametrize("port", sorted(BAD_PORTS | SERVICE_PORTS))
def test_a_listed_port_is_a_high_one(port: int) -> None:
    assert is_service(port)
    assert 1024 <= port <= 65535


@pytest.mark.parametrize("port", [443, 3000, 4000, 5000, 8000, 8080, 8443, 8888, 9000, 9443, 10000, 49152])
def test_ports_that_web_servers_use_are_not_listed(port: int) -> None:
    assert not is_service(port)
