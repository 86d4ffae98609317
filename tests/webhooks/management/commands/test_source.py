"""A source from the command line obeys the rules of REST."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from tests.factories_receiver import make_source, signed
from webhooks.models import Source

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver")]

BODY = b'{"type":"a.b"}'


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("source", *arguments, stdout=out)
    return out.getvalue()


def test_it_prints_the_source_its_address_and_its_secret_as_one_line_of_json() -> None:
    printed = run("shop", "--set", 'handlers=[{"handler": "log"}]', "--set", "response_status=200")
    assert printed.count("\n") == 1
    made = json.loads(printed)
    source = Source.objects.get()
    assert (made["source"], made["url"], source.handlers) == (source.public_id, "/in/shop/", [{"handler": "log"}])
    answer = Client().post(made["url"], BODY, "application/json", headers=signed(BODY, secret=made["secret"]))
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "arguments",
    [
        ("a b",),
        ("taken",),
        ("shop", "--scheme", "nonsense"),
        ("shop", "--scheme", "github"),
        ("shop", "--secret", "short"),
        ("shop", "--set", "handlers=log"),
        ("shop", "--set", "max_bytes=0"),
        ("shop", "--set", "nothing"),
    ],
)
def test_what_rest_refuses_is_refused_and_leaves_nothing(arguments: tuple[str, ...]) -> None:
    make_source(uid="taken")
    with pytest.raises(CommandError):
        run(*arguments)
    assert Source.objects.count() == 1
