"""Test the consumer of a pulled endpoint on the web server of the product."""

import pytest

from benchmarks.wire.consumer import LIMIT, PullingConsumer
from config.web.application import WebApplication
from delivery.models import Delivery
from tests.config.web.server import serving
from tests.delivery.pulling.factories import make_pulled, publish_orders
from tests.factories import make_key
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def test_consumer_acknowledges_each_message_once() -> None:
    endpoint = make_pulled()
    key = make_key(endpoint.tenant)[1]
    count = LIMIT + 10
    publish_orders(endpoint, count)
    with serving(WebApplication()) as port, PullingConsumer(port, key, endpoint.public_id) as consumer:
        wait_until(lambda: Delivery.objects.filter(state="delivered").count() == count, "all messages")
        assert consumer.fetched == count


def test_consumer_that_is_refused_says_why() -> None:
    refusal = pytest.raises(RuntimeError, match=r"GET messages/.* 401")
    with serving(WebApplication()) as port, PullingConsumer(port, "wp_none", "ep") as consumer, refusal:
        wait_until(lambda: consumer.fetched, "the refusal")
