"""Check the admin's pages of request inspectors."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from subscriptions.inspectors.inspectors import create_inspector, page_url_of, url_of
from subscriptions.inspectors.requests import Arrival, keep_request
from subscriptions.models import Inspector
from tests.factories import make_tenant
from tests.staff import staff

pytestmark = pytest.mark.django_db

LIST = reverse("admin:subscriptions_inspector_changelist")


@pytest.fixture
def inspector() -> Inspector:
    return create_inspector(make_tenant(name="Acme"), name="Shop", response_status=503, response_delay_ms=20)


def test_list_shows_inspectors_with_their_requests_and_pages(
    inspector: Inspector, django_assert_max_num_queries: Any
) -> None:
    for _ in range(2):
        keep_request(inspector, Arrival("POST", "/", {}, b"{}"))
    over = create_inspector(inspector.tenant)
    Inspector.objects.filter(pk=over.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    client = staff(superuser=True)
    with django_assert_max_num_queries(6):
        shown: Any = client.get(LIST)
    text = shown.content.decode()
    assert [it.requests_kept for it in shown.context["cl"].result_list] == [0, 2]
    assert page_url_of(inspector) in text
    assert page_url_of(over) not in text
    assert ">503<" in text
    found: Any = client.get(LIST, {"q": inspector.tenant.public_id})
    assert {it.pk for it in found.context["cl"].result_list} == {inspector.pk, over.pk}


def test_page_shows_requests_as_text_with_their_commands(inspector: Inspector) -> None:
    keep_request(inspector, Arrival("PUT", "/", {"x-a": "<b>"}, b'{"type": "<script>alert(1)</script>"}'))
    keep_request(inspector, Arrival("POST", "/", {}, b""))
    page = reverse("admin:subscriptions_inspector_change", args=[inspector.pk])
    text = staff(superuser=True).get(page).content.decode()
    assert url_of(inspector) in text
    assert text.index(">POST<") < text.index(">PUT<")
    assert text.count("curl --request") == 2
    assert "alert(1)" in text
    assert "<script>alert" not in text
    assert "<b>" not in text.split("wp-requests", 1)[1].split("</section>")[0]


def test_member_of_staff_without_permission_sees_neither_list_nor_page(inspector: Inspector) -> None:
    client = staff("view_tenant")
    page = reverse("admin:subscriptions_inspector_change", args=[inspector.pk])
    assert [client.get(it).status_code for it in (LIST, page)] == [403, 403]
    assert Client().get(LIST).status_code == 302
