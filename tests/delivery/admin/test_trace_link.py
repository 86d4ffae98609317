"""Pages of events and deliveries lead to the trace of the event."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from tests.delivery.factories import make_delivery, make_event
from tests.factories import make_endpoint, make_tenant

pytestmark = pytest.mark.django_db
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize("url", ["", "https://traces.example.com/{trace_id}?a=<b>"])
def test_page_names_the_trace_of_the_event_and_links_it_where_a_viewer_is_set(settings: Any, url: str) -> None:
    settings.WAYPOST_TRACE_URL = url
    event = make_event(make_tenant(), traceparent=f"00-{TRACE}-b7ad6b7169203331-01")
    delivery = make_delivery(event, make_endpoint(event.tenant))
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    for page, row in (("admin:delivery_event_change", event), ("admin:delivery_delivery_change", delivery)):
        text = client.get(reverse(page, args=[row.pk])).content.decode()
        assert TRACE in text
        assert (f'href="https://traces.example.com/{TRACE}?a=&lt;b&gt;"' in text) is bool(url)
