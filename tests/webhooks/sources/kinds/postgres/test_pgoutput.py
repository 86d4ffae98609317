"""Test the decoder of pgoutput on bytes that no server would send; what a server sends is in test_changes."""

import struct
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks.sources.kinds.postgres.pgoutput import (
    UNCHANGED,
    Begin,
    Commit,
    InvalidMessage,
    LogicalMessage,
    Relation,
    RelationColumn,
    RowChange,
    Truncate,
    decode,
    format_lsn,
    parse_lsn,
)


@given(
    st.one_of(
        st.binary(),
        st.builds(
            lambda kind, rest: kind + rest,
            st.sampled_from([b"B", b"C", b"R", b"T", b"M", b"I", b"U", b"D", b"O", b"Y"]),
            st.binary(),
        ),
    )
)
def test_decode_of_any_bytes_returns_a_message_or_raises_one_error(data: bytes) -> None:
    try:
        decode(data)
    except InvalidMessage:
        pass


def test_decode_reads_each_message() -> None:
    assert decode(b"B" + struct.pack(">QqI", 7, 1_000_000, 9)) == Begin(7, datetime(2000, 1, 1, 0, 0, 1, tzinfo=UTC), 9)
    assert decode(b"C" + struct.pack(">BQQq", 0, 7, 8, 0)) == Commit(7, 8)
    relation = (
        b"R" + struct.pack(">I", 5) + b"public\0t\0d" + struct.pack(">HB", 1, 1) + b"id\0" + struct.pack(">Ii", 23, -1)
    )
    assert decode(relation) == Relation(5, "public", "t", "d", (RelationColumn("id", 23, is_key=True),))
    row = struct.pack(">H", 3) + b"n" + b"u" + b"t" + struct.pack(">I", 2) + b"ab"
    assert decode(b"I" + struct.pack(">I", 5) + b"N" + row) == RowChange("inserted", 5, None, (None, UNCHANGED, b"ab"))
    update = decode(b"U" + struct.pack(">I", 5) + b"K" + row + b"N" + row)
    assert update == RowChange("updated", 5, (None, UNCHANGED, b"ab"), (None, UNCHANGED, b"ab"), is_key=True)
    assert decode(b"D" + struct.pack(">I", 5) + b"O" + row) == RowChange("deleted", 5, (None, UNCHANGED, b"ab"), None)
    assert decode(b"T" + struct.pack(">IBII", 2, 0, 5, 6)) == Truncate((5, 6))
    message = b"M" + struct.pack(">BQ", 1, 7) + b"waypost\0" + struct.pack(">I", 2) + b"{}"
    assert decode(message) == LogicalMessage(7, "waypost", b"{}")
    assert decode(b"O" + bytes(8) + b"origin\0") is None


@pytest.mark.parametrize("lsn", [0, 1, 2**32 - 1, 2**32, 2**63])
def test_lsn_is_written_and_read_as_postgresql_writes_it(lsn: int) -> None:
    assert parse_lsn(format_lsn(lsn)) == lsn
