"""Every response has the id of its request, from native and Django code, and so has what was logged meanwhile."""

import os
import re
from typing import Any

import pytest
import structlog
from django.http import HttpResponse
from django.test import Client, RequestFactory

from config.web.application import WebApplication
from config.web.request_ids import HEADER, RequestIds, new_request_id
from tests.config.web.server import send, serving

ID = re.compile("req_[0-9a-f]{17,}")


@pytest.mark.parametrize("path", ["/", "/api/v1/events/", "/api/v1/nothing/", "/healthz", "/in/src_1/"])
@pytest.mark.django_db
def test_response_of_django_has_an_id_of_its_own(path: str) -> None:
    first, second = (Client().get(path)[HEADER] for _ in range(2))
    assert ID.fullmatch(first)
    assert ID.fullmatch(second)
    assert first != second


@pytest.mark.django_db(transaction=True)
def test_response_of_the_server_has_one_id_natively_and_through_django() -> None:
    with serving(WebApplication()) as port:
        for path, body in (("/api/v1/events/", b"{}"), ("/api/v1/endpoints/", b"{}"), ("/in/src_1/", b"{}")):
            headers: Any = send(port, "POST", path, body, headers={"Content-Type": "application/json"})[1]
            assert ID.fullmatch(headers[HEADER.lower()]), path


def test_log_lines_of_a_request_have_its_id() -> None:
    seen = []

    def view(request: Any) -> HttpResponse:
        seen.append(structlog.contextvars.get_contextvars()["request_id"])
        return HttpResponse()

    response = RequestIds(view)(RequestFactory().get("/"))
    assert seen == [response[HEADER]]
    assert "request_id" not in structlog.contextvars.get_contextvars()


def test_forked_process_gives_other_ids() -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, new_request_id().encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 100).decode()[:20] != new_request_id()[:20]
    os.close(reading)
    os.close(writing)
