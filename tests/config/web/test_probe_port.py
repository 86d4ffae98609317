"""Probes and metrics can be served at a port of their own, and then at no other."""

from typing import Any

import pytest

from config.web.application import WebApplication
from config.web.middleware import PROBES
from tests.config.web.server import send, serving


@pytest.mark.django_db(transaction=True)
def test_probes_are_served_by_the_web_server_unless_they_have_a_port(settings: Any) -> None:
    with serving(WebApplication()) as port:
        assert send(port, "GET", "/healthz")[0] == 200
        settings.WAYPOST_METRICS_PORT = 9100
        assert {path: send(port, "GET", path)[0] for path in PROBES} == dict.fromkeys(PROBES, 404)
        assert send(port, "GET", "/")[0] == 200


@pytest.mark.django_db(transaction=True)
def test_server_of_probes_serves_nothing_else(settings: Any) -> None:
    settings.WAYPOST_METRICS_PORT = 9100
    with serving(WebApplication(serves_probes_only=True)) as port:
        assert send(port, "GET", "/healthz")[0] == 200
        assert b"waypost_deliveries_pending" in send(port, "GET", "/metrics")[2]
        for method, path in (("GET", "/"), ("GET", "/admin/"), ("POST", "/api/v1/events/"), ("POST", "/in/src_1/")):
            assert send(port, method, path, b"" if method == "POST" else None)[0] == 404
