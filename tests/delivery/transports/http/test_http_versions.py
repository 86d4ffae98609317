"""The memory of a sender for the HTTP versions of servers."""

import pytest

from delivery.transports.http import http_versions
from delivery.transports.http.http_versions import HttpVersions

URL, OTHER = "https://a.example/", "https://b.example/"


def test_versions_are_known_by_url() -> None:
    versions = HttpVersions()
    versions.on_http_2(URL)
    versions.on_http_1_required(OTHER)
    assert [versions.speaks_http_2(it) for it in (URL, OTHER)] == [True, False]
    assert [versions.requires_http_1(it) for it in (URL, OTHER)] == [False, True]


def test_requirement_of_http_1_ends_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_versions, "REQUIRED_FOR", 0.0)
    versions = HttpVersions()
    versions.on_http_1_required(URL)
    assert not versions.requires_http_1(URL)


def test_memory_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_versions, "MAX_KNOWN", 3)
    versions = HttpVersions()
    for number in range(10):
        versions.on_http_2(f"{URL}{number}")
        versions.on_http_1_required(f"{URL}{number}")
    known = [f"{URL}{number}" for number in range(10)]
    assert sum(map(versions.speaks_http_2, known)) <= 3
    assert sum(map(versions.requires_http_1, known)) <= 3
