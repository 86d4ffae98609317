"""Check the blocks of docs/how-to/portal.md."""

import json
import re
from pathlib import Path

import pytest

from subscriptions.models import PortalLink
from tests.docs.inventory import blocks_for
from tests.factories import make_client, make_tenant

ELEMENT = Path("delivery/static/delivery/portal/waypost-portal.js")


@pytest.mark.django_db
def test_link_of_the_page_is_accepted():
    (block,) = blocks_for("portal-link")
    body = json.loads(block.text.partition("-d '")[2].rpartition("'")[0])
    tenant = make_tenant()
    made = make_client(None).post(
        "/api/v1/portal-links/", body, format="json", headers={"Waypost-Tenant": tenant.public_id}
    )
    assert made.status_code == 201, made.content
    assert PortalLink.objects.get().theme == body["theme"]


def test_element_of_the_page_has_the_attributes_that_it_reads():
    (block,) = blocks_for("portal-element")
    script = ELEMENT.read_text()
    assert len(script) <= 2048
    assert "/static/delivery/portal/waypost-portal.js" in block.text
    element = re.search(r"<waypost-portal ([^>]*)>", block.text)
    assert element
    for name in re.findall(r"(\w+)=", element[1]):
        assert f'"{name}"' in script
