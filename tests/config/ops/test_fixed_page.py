"""Test documents that are built once: entity tags, compression, and that none is computed by a request."""

import gzip
from typing import Any

import pytest
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

PAGES = pytest.mark.parametrize("path", ["/api/v1/", "/api/v1/schema/", "/api/v1/docs/", "/"])


@PAGES
def test_page_is_not_sent_to_a_client_that_has_it(path: str) -> None:
    first = Client().get(path)
    assert first.status_code == 200
    again = Client().get(path, headers={"if-none-match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again["ETag"] == first["ETag"]


@PAGES
def test_page_is_compressed_for_clients_that_accept_it(path: str) -> None:
    plain = Client().get(path)
    packed = Client().get(path, headers={"accept-encoding": "gzip"})
    assert packed["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.content) == plain.content
    assert packed["ETag"] != plain["ETag"]
    assert packed["Vary"] == "Accept-Encoding"


@PAGES
def test_page_rejects_post(path: str) -> None:
    assert Client().post(path).status_code == 405


def test_no_request_computes_the_description_of_the_api(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **options: Any) -> None:
        raise AssertionError("computed during a request")

    monkeypatch.setattr(SchemaGenerator, "get_schema", fail)
    assert Client().get("/api/v1/schema/").status_code == 200
