"""A queue by its name, ARN or URL."""

import pytest

from webhooks.sources.kinds.aws.queue_name import parse_queue


@pytest.mark.parametrize(
    ("text", "queue"),
    [
        ("orders", ("orders", "", "", "")),
        ("arn:aws-cn:sqs:cn-north-1:1:orders", ("orders", "1", "cn-north-1", "")),
        (
            "https://sqs.us-east-1.amazonaws.com/12/orders",
            ("orders", "12", "us-east-1", "https://sqs.us-east-1.amazonaws.com/12/orders"),
        ),
    ],
)
def test_queue_is_named_in_three_ways(text: str, queue: tuple[str, ...]) -> None:
    assert parse_queue(text) == queue
