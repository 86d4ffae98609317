"""Format values for the admin's pages."""

from datetime import UTC, datetime, timedelta, timezone

from django.utils.html import strip_tags

from webhooks.kit.admin.display import NOTHING, code, first_of, link, pill, size, when
from webhooks.models import Source

HOSTILE = "<script>alert(1)</script>"


def test_text_of_others_is_escaped() -> None:
    row = Source(name=HOSTILE)
    for shown in (pill(HOSTILE, "bad", HOSTILE), code(HOSTILE), link(row, HOSTILE)):
        assert HOSTILE not in shown
        assert "&lt;script&gt;" in shown


def test_missing_value_is_shown_as_nothing() -> None:
    assert when(None) == code("") == link(None) == NOTHING


def test_time_is_shown_in_utc_with_microseconds_in_the_tooltip() -> None:
    east = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=timezone(timedelta(hours=2)))
    shown = when(east)
    assert ">2026-01-02 01:04:05 UTC<" in shown
    assert f'title="{east.astimezone(UTC).isoformat(sep=" ", timespec="microseconds")}"' in shown


def test_size_is_shown_in_a_readable_unit_with_bytes_in_the_tooltip() -> None:
    assert 'title="2,048 bytes"' in size(2048)
    assert "2.0\xa0KB" in size(2048)


def test_link_leaves_out_https_and_keeps_other_schemes() -> None:
    row = Source()
    assert ">a.example/x</a>" in link(row, "https://a.example/x")
    assert ">http://a.example/x</a>" in link(row, "http://a.example/x")


def test_link_by_id_shows_it_whole_in_two_parts_so_that_a_list_can_cut_the_first() -> None:
    row = Source()
    shown = link(row)
    assert f'title="{row.public_id}"' in shown
    assert strip_tags(shown) == row.public_id
    assert shown.endswith(f"</span>{row.public_id[-10:]}</span></a>")


def test_first_of_many_texts_are_shown_with_the_number_of_the_others() -> None:
    assert first_of(["a", "b"]) == "a, b"
    assert first_of(["a", "b", "c", "d"]) == "a, b, c, d"
    assert first_of([*"abcdef"]) == "a, b, c, d and 2 more"
