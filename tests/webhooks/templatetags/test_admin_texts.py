"""Write titles and help texts in the admin's templates."""

import pytest

from webhooks.kit.admin.display import code_marks
from webhooks.models import Receipt, Source
from webhooks.templatetags.admin_texts import headline


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("dead letters", "Dead letters"),
        ("https://a.example/", "https://a.example/"),
        (Source(name="shop of the north"), "shop of the north"),
    ],
)
def test_title_has_a_capital_except_where_it_is_a_name(title: object, shown: str) -> None:
    assert headline(title) == shown


def test_title_of_a_row_that_begins_with_its_kind_has_a_capital() -> None:
    row = Receipt()
    assert str(row) == f"receipt {row.public_id}"
    assert headline(row) == f"Receipt {row.public_id}"


def test_text_between_backticks_is_code_and_the_text_is_escaped() -> None:
    assert code_marks("such as `a<b`.") == "such as <code>a&lt;b</code>."
    assert code_marks("no ` mark") == "no ` mark"
