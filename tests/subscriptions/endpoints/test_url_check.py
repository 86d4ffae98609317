import pytest

from subscriptions.endpoints.url_check import check_url
from subscriptions.errors import Invalid
from webhooks.outgoing import guarded_call


def refusal(url):
    with pytest.raises(Invalid) as refused:
        check_url(url)
    assert refused.value.field == "url"
    return refused.value.message


def test_a_public_address_may_be_saved():
    check_url("https://example.com/webhooks")


def test_a_public_name_without_an_address_yet_may_be_saved():
    check_url("https://soon.example.com/")


def test_a_slow_resolver_does_not_stand_in_the_way(monkeypatch):
    def out_of_time(host, **options):
        raise TimeoutError

    monkeypatch.setattr(guarded_call, "resolve_within", out_of_time)
    check_url("https://example.com/")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "https://localhost/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/latest/",
        "https://metadata.google.internal/",
        "https://user@example.com/",
        "https://example.com/#here",
        "ftp://example.com/",
        "example.com",
        "",
        "https://example.com/" + "a" * 2048,
    ],
)
def test_what_may_not_be_called_may_not_be_saved(url):
    assert refusal(url)


def test_the_refusal_does_not_tell_where_a_name_leads():
    assert (
        refusal("https://inside.example.com/") == refusal("https://both.example.com/") == refusal("https://10.1.2.3/")
    )


def test_an_operators_own_network_and_http_are_open_once_they_are_allowed(settings):
    settings.WAYPOST_ALLOW_HTTP = True
    settings.WAYPOST_ALLOW_NETWORKS = ["127.0.0.0/8"]
    check_url("http://127.0.0.1:8080/")
    check_url("http://localhost:8080/")
    assert refusal("http://10.0.0.1/")


def test_a_name_of_inside_has_to_lead_into_an_allowed_network_now(settings):
    settings.WAYPOST_ALLOW_NETWORKS = ["127.0.0.0/8"]
    assert refusal("https://metadata.google.internal/")
