"""Values of forms as the API reads them: a text that is no number, and JSON that is not safe to read."""

import pytest
from django.http import QueryDict

from delivery.portal import forms


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("", None), (" 5 ", 5), ("-1", -1), ("0", 0), ("9" * 18, 10**18 - 1)),
        *((text, text) for text in ("--5", "²", "٣", "9" * 19, "9" * 5_000, "1.5", "+5", "5a", "-")),
    ],
)
def test_number_is_read_and_any_other_text_is_left_to_the_api(rf, text, value):
    assert forms.number(rf.post("/", {"n": text}), "n") == value


def test_json_field_keeps_numbers_as_they_were_typed():
    assert str(forms.json_field(QueryDict("a=[12345678901234567890123]"), "a")[0]) == "12345678901234567890123"


@pytest.mark.parametrize("text", ["{", "NaN", "1e999", '{"a": 1, "a": 2}', '"\\ud800"', "[" * 200 + "]" * 200])
def test_json_field_refuses_what_is_not_safe_to_read(text):
    form = QueryDict(mutable=True)
    form["a"] = text
    with pytest.raises(forms.NotJson) as refused:
        forms.json_field(form, "a")
    assert refused.value.field == "a"
