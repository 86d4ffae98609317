"""Texts of messages, by templates with paths."""

from typing import Any

import orjson
import pytest

from delivery.transports.message import Message
from delivery.transports.message_texts import InvalidText, MessageText
from delivery.transports.outcome import Failure
from delivery.transports.send_failed import SendFailed

EVENT = (
    b'{"type":"order.paid","data":{"id":1.50,"big":123456789012345678,"items":[{"sku":"a<b"}],"ok":true,"none":null}}'
)


def message(body: bytes = EVENT) -> Message:
    return Message("evt_1", body, "application/json", True, None, 1, "v1,x")


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("orders", "orders"),
        ("", ""),
        ("$.type", "order.paid"),
        ("$.data.id", "1.50"),
        ("$.data.ok", "true"),
        ("orders.<$.type>.<$.data.items[0].sku>!", "orders.order.paid.a<b!"),
        ("<$.data.big>", "123456789012345678"),
        ("<$.data.id", "<$.data.id"),
        ("<not a path>", "<not a path>"),
    ],
)
def test_text_has_the_values_at_its_paths(template: str, text: str) -> None:
    assert MessageText(template).make(message(), "settings.key") == text


@pytest.mark.parametrize("path", ["$.missing", "$.data", "$.data.items", "$.data.none", "$.data.items[1]", "$.type.x"])
@pytest.mark.parametrize("template", ["{}", "a.<{}>"])
def test_path_without_a_scalar_is_no_text(path: str, template: str) -> None:
    text = MessageText(template.format(path))
    assert text.find(message()) is None
    with pytest.raises(SendFailed, match=r"settings\.subject names") as caught:
        text.make(message(), "settings.subject")
    assert caught.value.failure is Failure.REFUSED


@pytest.mark.parametrize("body", [b"text", b"\xff", b"[1]", b"7"])
def test_body_without_members_has_no_values(body: bytes) -> None:
    assert MessageText("$.type").find(message(body)) is None


def test_rendered_body_has_values_too() -> None:
    assert MessageText("$.a").find(message(orjson.dumps({"a": "x"}))) == "x"


@pytest.mark.parametrize("template", ["$x", "$.a[", "x<$.a.*>", "$[*]", "$." + "a" * 300])
def test_invalid_path_is_refused_in_a_sentence(template: str) -> None:
    with pytest.raises(InvalidText) as caught:
        MessageText(template)
    text: Any = str(caught.value)
    assert text[0].isupper()
    assert text.endswith(".")
