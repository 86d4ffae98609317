"""Test `manage.py source`, which validates like the REST API."""

import json
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client

from tests.factories_receiver import make_source, signed
from webhooks.models import Source
from webhooks.senders.presets import find_sender

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver")]

BODY = b'{"type":"a.b"}'


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("source", *arguments, stdout=out)
    return out.getvalue()


def test_source_command_prints_source_url_and_secret_as_one_line_of_json() -> None:
    printed = run("shop", "--set", 'handlers=[{"handler": "log"}]', "--set", "response_status=200")
    assert printed.count("\n") == 1
    made = json.loads(printed)
    source = Source.objects.get()
    assert (made["source"], source.uid, source.handlers) == (source.public_id, "shop", [{"handler": "log"}])
    assert made["url"] == f"{settings.PUBLIC_URL}/in/{source.public_id}/"
    response = Client().post(made["url"], BODY, "application/json", headers=signed(BODY, secret=made["secret"]))
    assert response.status_code == 200


def test_source_command_with_a_sender_has_the_fields_of_its_preset() -> None:
    run("meetings", "--sender", "zoom", "--secret", "s", "--set", "response_status=204")
    source = Source.objects.get()
    assert (source.sender, source.scheme, source.response_status) == ("zoom", "hmac", 204)
    assert source.options == find_sender("zoom").fields["options"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("a b",),
        ("in-use",),
        ("shop", "--scheme", "nonsense"),
        ("shop", "--scheme", "github"),
        ("shop", "--secret", "short"),
        ("shop", "--sender", "nonsense"),
        ("shop", "--sender", "zoom"),
        ("shop", "--set", "handlers=log"),
        ("shop", "--set", "max_bytes=0"),
        ("shop", "--set", "nothing"),
    ],
)
def test_source_command_with_invalid_fields_fails_and_creates_nothing(arguments: tuple[str, ...]) -> None:
    make_source(uid="in-use")
    with pytest.raises(CommandError):
        run(*arguments)
    assert Source.objects.count() == 1
