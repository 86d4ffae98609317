"""Attributes, groups and results that messages of SQS and SNS have in common."""

import pytest

from delivery.transports.https.aws_messages import attributes_of, group_of, size_of
from delivery.transports.message import Message


def message(key: str | None = None) -> Message:
    return Message("evt_1", b"{}", "application/json", True, key, 1, "v1,x")


@pytest.mark.parametrize(("key", "group"), [("", "default"), ("c-1", "c-1"), ("a b", None), ("x" * 129, None)])
def test_group_of_a_key_that_is_not_accepted_is_its_digest(key: str, group: str | None) -> None:
    found = group_of(message(key))
    assert found == group if group else len(found) == 64


def test_message_without_a_key_has_a_group_of_its_own() -> None:
    assert group_of(message()) == "unordered-evt_1"


def test_size_counts_the_attributes() -> None:
    attributes = attributes_of(message())
    assert attributes["webhook-timestamp"] == {"DataType": "Number", "StringValue": "1"}
    assert size_of(message()) == 2 + len("".join(f"{n}{''.join(v.values())}" for n, v in attributes.items()))
