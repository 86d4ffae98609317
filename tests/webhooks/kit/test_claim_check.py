"""Small bodies in the row, large ones in storage, nothing in between, and memory flat."""

import hashlib
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage, storages

from webhooks.kit.claim_check import INLINE_MAX, StorageDown, StoredBody, created_at, store_body
from webhooks.wire.ids import new_id

pytestmark = pytest.mark.usefixtures("claims")


def pieces(body: bytes, size: int = 1000) -> Iterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


def nothing(chunk: bytes) -> None:
    """Nobody looks."""


def files(claims: Path) -> list[Path]:
    return [path for path in claims.rglob("*") if path.is_file()]


@pytest.mark.parametrize("size", [0, 1, 999, INLINE_MAX - 1, INLINE_MAX])
def test_a_body_up_to_64_kib_stands_in_its_ticket(size: int, claims: Path) -> None:
    body = bytes(size)
    stored = store_body(pieces(body), new_id(), nothing)
    assert stored == StoredBody(size, hashlib.sha256(body).hexdigest(), body=body)
    assert not files(claims)


@pytest.mark.parametrize("size", [INLINE_MAX + 1, 3 * INLINE_MAX + 17])
@pytest.mark.parametrize("chunk", [1000, INLINE_MAX, 10**7])
def test_a_larger_one_lies_in_storage_whole(size: int, chunk: int, claims: Path) -> None:
    body = (b"0123456789abcdef" * size)[:size]
    stored = store_body(pieces(body, chunk), new_id(), nothing)
    assert (stored.size, stored.sha256, stored.body) == (size, hashlib.sha256(body).hexdigest(), None)
    assert (claims / stored.key).read_bytes() == body


@pytest.mark.parametrize("size", [100, 5 * INLINE_MAX])
def test_whoever_looks_sees_every_byte_once_and_in_order(size: int) -> None:
    body = (b"0123456789abcdef" * size)[:size]
    seen: list[bytes] = []
    store_body(pieces(body), new_id(), seen.append)
    assert b"".join(seen) == body


@pytest.mark.parametrize("after", [10, 2 * INLINE_MAX])
def test_whatever_the_sender_or_the_looker_raises_comes_through_and_leaves_nothing(after: int, claims: Path) -> None:
    class Broken(Exception):
        pass

    def breaks() -> Iterator[bytes]:
        yield bytes(after)
        raise Broken

    def refuses(chunk: bytes) -> None:
        raise Broken

    with pytest.raises(Broken):
        store_body(breaks(), new_id(), nothing)
    with pytest.raises(Broken):
        store_body(pieces(bytes(after), after), new_id(), refuses)
    assert not files(claims)


def test_a_storage_that_cannot_be_written_says_so(claims: Path) -> None:
    (claims / "receipts").write_text("in the way")
    with pytest.raises(StorageDown):
        store_body(pieces(bytes(2 * INLINE_MAX)), new_id(), nothing)


def test_memory_is_flat_whatever_the_size() -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(800):
            yield bytes(INLINE_MAX)

    tracemalloc.start()
    stored = store_body(endless(), new_id(), nothing)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert stored.size == 800 * INLINE_MAX
    assert peak < 2 * 1024 * 1024


class Reader(InMemoryStorage):
    """A storage that reads its file in pieces of its own size, as S3 does, and has no paths."""

    def _save(self, name: str, content: object) -> str:
        parts = list(iter(lambda: content.read(70_001), b""))  # type: ignore[attr-defined]
        return super()._save(name, ContentFile(b"".join(parts)))


def test_a_storage_that_reads_gets_the_same_bytes_as_one_that_iterates(settings) -> None:
    settings.STORAGES = {**settings.STORAGES, "claims": {"BACKEND": f"{__name__}.Reader"}}
    body = (b"0123456789abcdef" * 20_000)[:300_001]
    stored = store_body(pieces(body), new_id(), nothing)
    with storages["claims"].open(stored.key) as file:
        assert file.read() == body


def test_an_objects_name_says_when_it_was_begun() -> None:
    stored = store_body(pieces(bytes(2 * INLINE_MAX)), new_id(), nothing)
    assert abs(created_at(stored.key) - datetime.now(UTC)) < timedelta(minutes=1)
    with pytest.raises(ValueError, match="hexadecimal"):
        created_at("receipts/2026-01-01/readme.txt")


def test_discarding_a_ticket_removes_its_object_and_nothing_else(claims: Path) -> None:
    kept = store_body(pieces(bytes(2 * INLINE_MAX)), new_id(), nothing)
    store_body(pieces(bytes(2 * INLINE_MAX)), new_id(), nothing).discard()
    store_body(pieces(b"small"), new_id(), nothing).discard()
    assert files(claims) == [claims / kept.key]
