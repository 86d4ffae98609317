"""Test the claim check: small bodies inline, large ones in storage, with bounded memory."""

import hashlib
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage, storages

from tests.bodies import store_body
from webhooks.kit.bodies.claim_check import INLINE_MAX, StorageDown, StoredBody, created_at
from webhooks.wire.ids import new_id

pytestmark = pytest.mark.usefixtures("claims")


def pieces(body: bytes, size: int = 1000) -> Iterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


def ignore(chunk: bytes) -> None:
    """Ignore a chunk."""


def files(claims: Path) -> list[Path]:
    return [path for path in claims.rglob("*") if path.is_file()]


@pytest.mark.parametrize("size", [0, 1, 999, INLINE_MAX - 1, INLINE_MAX])
def test_store_body_returns_a_body_up_to_64_kib(size: int, claims: Path) -> None:
    body = bytes(size)
    stored = store_body(pieces(body), new_id(), ignore)
    assert stored == StoredBody(size, hashlib.sha256(body).hexdigest(), body=body)
    assert not files(claims)


@pytest.mark.parametrize("size", [INLINE_MAX + 1, 3 * INLINE_MAX + 17])
@pytest.mark.parametrize("chunk", [1000, INLINE_MAX, 10**7])
def test_store_body_stores_a_larger_one_as_an_object(size: int, chunk: int, claims: Path) -> None:
    body = (b"0123456789abcdef" * size)[:size]
    stored = store_body(pieces(body, chunk), new_id(), ignore)
    assert (stored.size, stored.sha256, stored.body) == (size, hashlib.sha256(body).hexdigest(), None)
    assert (claims / stored.key).read_bytes() == body


@pytest.mark.parametrize("size", [100, 5 * INLINE_MAX])
def test_store_body_passes_every_byte_to_on_chunk_once_and_in_order(size: int) -> None:
    body = (b"0123456789abcdef" * size)[:size]
    seen: list[bytes] = []
    store_body(pieces(body), new_id(), seen.append)
    assert b"".join(seen) == body


@pytest.mark.parametrize("after", [10, 2 * INLINE_MAX])
def test_store_body_raises_errors_of_chunks_and_on_chunk_and_leaves_no_object(after: int, claims: Path) -> None:
    class Broken(Exception):
        pass

    def breaks() -> Iterator[bytes]:
        yield bytes(after)
        raise Broken

    def refuses(chunk: bytes) -> None:
        raise Broken

    with pytest.raises(Broken):
        store_body(breaks(), new_id(), ignore)
    with pytest.raises(Broken):
        store_body(pieces(bytes(after), after), new_id(), refuses)
    assert not files(claims)


def test_store_body_without_a_writable_storage_raises_storage_down(claims: Path) -> None:
    (claims / "receipts").write_text("in the way")
    with pytest.raises(StorageDown):
        store_body(pieces(bytes(2 * INLINE_MAX)), new_id(), ignore)


def test_store_body_of_a_large_body_uses_bounded_memory() -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(800):
            yield bytes(INLINE_MAX)

    tracemalloc.start()
    stored = store_body(endless(), new_id(), ignore)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert stored.size == 800 * INLINE_MAX
    assert peak < 2 * 1024 * 1024


class ReadingStorage(InMemoryStorage):
    """Store by reading pieces of its own size, as S3 does, without file paths."""

    def _save(self, name: str, content: object) -> str:
        parts = list(iter(lambda: content.read(70_001), b""))  # type: ignore[attr-defined]
        return super()._save(name, ContentFile(b"".join(parts)))


def test_store_body_in_a_storage_that_reads_stores_the_same_bytes(settings) -> None:
    settings.STORAGES = {**settings.STORAGES, "claims": {"BACKEND": f"{__name__}.ReadingStorage"}}
    body = (b"0123456789abcdef" * 20_000)[:300_001]
    stored = store_body(pieces(body), new_id(), ignore)
    with storages["claims"].open(stored.key) as file:
        assert file.read() == body


def test_created_at_reads_the_time_in_the_key() -> None:
    stored = store_body(pieces(bytes(2 * INLINE_MAX)), new_id(), ignore)
    assert abs(created_at(stored.key) - datetime.now(UTC)) < timedelta(minutes=1)
    with pytest.raises(ValueError, match="hexadecimal"):
        created_at("receipts/2026-01-01/readme.txt")


def test_discard_deletes_the_object_of_this_body_only(claims: Path) -> None:
    other = store_body(pieces(bytes(2 * INLINE_MAX)), new_id(), ignore)
    store_body(pieces(bytes(2 * INLINE_MAX)), new_id(), ignore).discard()
    store_body(pieces(b"small"), new_id(), ignore).discard()
    assert files(claims) == [claims / other.key]
