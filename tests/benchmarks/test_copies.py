"""Test copies of an endpoint: they are rows as the platform would create them."""

import pytest
from django.db import connection
from django.forms.models import model_to_dict

from benchmarks.copies import ENDPOINTS
from subscriptions.models import Endpoint, SigningSecret, Subscription
from tests.factories import make_endpoint, make_subscription

pytestmark = pytest.mark.django_db


def test_copies_differ_only_in_their_address_and_in_what_they_subscribe_to() -> None:
    model = make_endpoint(uid="lane0", url="http://127.0.0.1:5000/o/0", state="paused")
    make_subscription(model, event_types=["bench.lane0", "bench.all"])
    urls = ["http://127.0.0.1:5001/o/1", "http://127.0.0.1:5002/o/2"]
    with connection.cursor() as cursor:
        cursor.execute(ENDPOINTS, [["lane1", "lane2"], urls, ["bench.lane1", "bench.lane2"], "lane0"])
    copies = Endpoint.objects.exclude(pk=model.pk).order_by("uid")
    assert [(one.uid, one.http.url, one.http.origin) for one in copies] == [
        ("lane1", urls[0], "http://127.0.0.1:5001"),
        ("lane2", urls[1], "http://127.0.0.1:5002"),
    ]
    for one in copies:
        assert model_to_dict(one, exclude={"uid"}) == model_to_dict(model, exclude={"uid"})
        own = {"endpoint", "url"}
        assert model_to_dict(one.http, exclude=own) == model_to_dict(model.http, exclude=own)
        subscription = Subscription.objects.get(endpoint=one)
        assert (subscription.tenant_id, subscription.event_types) == (
            model.tenant_id,
            [f"bench.{one.uid}", "bench.all"],
        )
        assert bytes(SigningSecret.objects.get(endpoint=one).ciphertext) == bytes(
            SigningSecret.objects.get(endpoint=model).ciphertext
        )
