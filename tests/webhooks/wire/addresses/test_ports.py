"""Check the list of ports of services other than web servers."""

import pytest

from webhooks.wire.addresses.ports import BAD_PORTS, SERVICE_PORTS, is_service


@pytest.mark.parametrize("port", sorted(BAD_PORTS | SERVICE_PORTS))
def test_is_service_is_true_for_listed_ports_from_1024_up(port: int) -> None:
    assert is_service(port)
    assert 1024 <= port <= 65535


@pytest.mark.parametrize("port", [443, 3000, 4000, 5000, 8000, 8080, 8443, 8888, 9000, 9443, 10000, 49152])
def test_is_service_is_false_for_ports_of_web_servers(port: int) -> None:
    assert not is_service(port)
