"""Pages of the portal: what their forms do, what they show, and that texts of events are shown as text."""

import gettext
import re
from pathlib import Path

import pytest

from delivery.portal.endpoints.code_samples import CODE_SAMPLES
from subscriptions.models import ApiKey, Endpoint
from subscriptions.tenants.models import StoredResponse
from tests.delivery.factories import make_attempt, make_delivery, make_event
from tests.delivery.portal.sessions import portal_client, text_of
from tests.factories import make_endpoint, make_plan, make_subscription, make_tenant

LOCALE = Path("delivery/locale/de/LC_MESSAGES/django.po")


@pytest.fixture
def tenant():
    return make_tenant()


@pytest.mark.django_db
def test_endpoint_is_added_once_with_its_events(tenant):
    client = portal_client(tenant)
    fields = {"url": "https://hooks.example.com/", "which": "some", "more_types": "order.* invoice.paid", "key": "k"}
    pages = [text_of(client.send("/portal/endpoints/new/http/", fields)) for _ in range(2)]
    assert "whsec_" in pages[0]
    assert pages[0].partition("whsec_")[2][:32] == pages[1].partition("whsec_")[2][:32]
    assert Endpoint.objects.get().subscriptions.get().event_types == ["order.*", "invoice.paid"]


def key_in(page: str) -> str:
    """Return the key of the form on a page."""
    return page.partition('name="key" value="')[2].partition('"')[0]


@pytest.mark.django_db
def test_form_that_took_effect_with_other_values_says_so_and_is_sent_again_with_a_new_key(tenant):
    client, path = portal_client(tenant), "/portal/endpoints/new/http/"
    fields = {"url": "https://hooks.example.com/1", "which": "all", "key": "k"}
    client.send(path, fields)
    again = client.send(path, {**fields, "url": "https://hooks.example.com/2"})
    assert again.status_code == 422
    assert "This form took effect before, with other values." in text_of(again)
    assert Endpoint.objects.count() == 1
    assert key_in(text_of(again)) not in ("", "k")
    client.send(path, {**fields, "url": "https://hooks.example.com/2", "key": key_in(text_of(again))})
    assert {it.http.url[-1] for it in Endpoint.objects.all()} == {"1", "2"}


@pytest.mark.django_db
def test_form_that_may_have_taken_effect_keeps_its_key(tenant):
    client, path = portal_client(tenant), "/portal/endpoints/new/http/"
    fields = {"url": "https://hooks.example.com/", "which": "all", "key": "k"}
    client.send(path, fields)
    StoredResponse.objects.update(ciphertext=b"of a lost key")
    again = client.send(path, fields)
    assert again.status_code == 409
    assert "This form was sent before." in text_of(again)
    assert key_in(text_of(again)) == "k"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"url": "nonsense", "which": "all"}, "error-url"),
        ({"url": "https://hooks.example.com/", "which": "some"}, "error-event_types"),
        ({"url": "https://hooks.example.com/", "which": "all", "filters": "on", "pattern": "{"}, "error-pattern"),
    ],
    ids=["url", "types", "pattern"],
)
def test_wrong_field_is_named_and_nothing_is_created(tenant, fields, expected):
    response = portal_client(tenant).send("/portal/endpoints/new/http/", fields)
    assert response.status_code == 400
    assert f'id="{expected}"' in text_of(response)
    assert not Endpoint.objects.exists()


@pytest.mark.django_db
def test_limit_of_the_plan_is_named_on_the_form():
    tenant = make_tenant(plan=make_plan(max_endpoints=1))
    make_endpoint(tenant)
    response = portal_client(tenant).send(
        "/portal/endpoints/new/http/", {"url": "https://hooks.example.com/", "which": "all"}
    )
    assert response.status_code == 402
    assert 'id="error-form"' in text_of(response)
    assert Endpoint.objects.count() == 1


@pytest.mark.django_db
def test_session_without_secrets_sees_none(tenant):
    client = portal_client(tenant, "view", "manage")
    fields = {"url": "https://hooks.example.com/", "which": "all"}
    assert "whsec_" not in text_of(client.send("/portal/endpoints/new/http/", fields))


@pytest.mark.django_db
def test_events_of_an_endpoint_are_changed(tenant):
    subscription = make_subscription(make_endpoint(tenant))
    path = f"/portal/endpoints/{subscription.endpoint.public_id}/events/"
    fields = {"subscription": subscription.public_id, "which": "some", "more_types": "order.paid"}
    assert portal_client(tenant).send(path, fields).status_code == 303
    subscription.refresh_from_db()
    assert subscription.event_types == ["order.paid"]


@pytest.mark.django_db
@pytest.mark.parametrize("fields", [{"filters": "on", "pattern": "{"}, {"which": "some"}], ids=["pattern", "types"])
def test_events_of_a_subscription_that_does_not_exist_are_not_found(tenant, fields):
    path = f"/portal/endpoints/{make_endpoint(tenant).public_id}/events/"
    response = portal_client(tenant).send(path, {"subscription": "x", **fields})
    assert response.status_code == 404
    assert "does not exist" in text_of(response)


@pytest.mark.django_db
def test_new_secret_is_shown_once(tenant):
    endpoint = make_endpoint(tenant)
    client = portal_client(tenant)
    path = f"/portal/endpoints/{endpoint.public_id}/secrets/"
    secret = re.search(r"whsec_[\w+/=]{32,}", text_of(client.send(path, {"overlap_seconds": "3600", "key": "k"})))
    assert secret
    text = text_of(client.get(path))
    assert secret[0] not in text
    assert 'id="sample-python"' in text  # the code that verifies is needed without a new secret, too
    assert endpoint.secrets.count() == 2


@pytest.mark.django_db
def test_key_is_created_and_revoked(tenant):
    client = portal_client(tenant)
    assert "wp_" in text_of(client.send("/portal/keys/", {"name": "CI", "scopes": ["read"], "days": "30", "key": "n"}))
    key = ApiKey.objects.get()
    assert key.scopes == ["read"]
    client.send("/portal/keys/", {"revoke": key.public_id})
    key.refresh_from_db()
    assert key.revoked_at


@pytest.mark.django_db
@pytest.mark.parametrize("text", ["", "a/b", "http://example.com/", "../tenants", "\u0000"])
@pytest.mark.parametrize("field", ["revoke", "rotate"])
def test_key_that_no_id_can_name_is_not_found(tenant, field, text):
    assert portal_client(tenant).send("/portal/keys/", {field: text}).status_code == 404


@pytest.mark.django_db
def test_event_is_shown_as_text(tenant):
    event = make_event(tenant, type="order.<script>alert(1)</script>")
    attempt = make_attempt(make_delivery(event, make_endpoint(tenant)), response=b"<img src=x onerror=alert(1)>")
    client = portal_client(tenant)
    delivery = attempt.delivery.public_id
    for path in (
        "/portal/messages/",
        f"/portal/messages/{event.public_id}/",
        f"/portal/deliveries/{delivery}/",
        f"/portal/deliveries/{delivery}/attempts/{attempt.public_id}/",
    ):
        text = text_of(client.get(path))
        assert "<script>alert" not in text
        assert "<img src=x" not in text


def test_compiled_texts_are_those_of_the_file():
    compiled = LOCALE.with_suffix(".mo")
    with compiled.open("rb") as file:
        texts = gettext.GNUTranslations(file)
    assert texts.gettext("Endpoints") == "Endpunkte"
    source = LOCALE.read_text()
    assert 'msgstr ""\n\n' not in source
    assert source.count("\nmsgid ") - 1 == len(
        {key if isinstance(key, str) else key[0] for key in texts._catalog if key}
    )


def test_receiver_in_python_is_a_whole_program():
    sample = next(it for it in CODE_SAMPLES if it.name == "python")
    compile(sample.text, "receiver.py", "exec")
    assert [it.name for it in CODE_SAMPLES] == ["python", "node", "go", "java", "php", "ruby"]
    assert all("WEBHOOK_SECRET" in it.text for it in CODE_SAMPLES)
