"""Test ``manage.py replay``: it counts, asks for confirmation, and runs the replay to its end."""

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from delivery.management.commands import replay as command
from delivery.models import Delivery, Replay
from subscriptions.models import Endpoint
from tests.delivery.factories import make_dead_letter, make_delivery, make_event
from tests.factories import make_endpoint, make_tenant

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "REFRESH_EVERY", 0.0)


@pytest.fixture
def endpoint() -> Endpoint:
    return make_endpoint(make_tenant(uid="acme"), uid="billing")


def run(*arguments: Any) -> str:
    out = io.StringIO()
    call_command("replay", *arguments, stdout=out)
    return out.getvalue()


def letters(endpoint: Endpoint, count: int) -> None:
    for _ in range(count):
        make_dead_letter(make_delivery(make_event(endpoint.tenant), endpoint))


def test_replay_with_count_changes_nothing(endpoint: Endpoint) -> None:
    letters(endpoint, 2)
    assert "2 deliveries" in run("acme", "--count")
    assert not Replay.objects.exists()


def test_replay_replays_dead_letters(endpoint: Endpoint) -> None:
    letters(endpoint, 3)
    output = run(endpoint.tenant.public_id, "--endpoint", "billing", "--cause", "exhausted", "--yes")
    row = Replay.objects.get()
    assert f"{row.public_id} finished: 3" in output
    assert (row.requested_by, row.filter["cause"]) == ("manage.py replay", "exhausted")
    assert Delivery.objects.filter(state="pending").count() == 3


def test_replay_sends_past_events(endpoint: Endpoint) -> None:
    event = make_event(endpoint.tenant)
    run("acme", "--scope", "missing", "--endpoint", "billing", "--force", "--since", "2020-01-01T00:00:00", "--yes")
    assert Delivery.objects.get().event_id == event.id


def test_replay_without_filter_needs_all(endpoint: Endpoint) -> None:
    letters(endpoint, 1)
    with pytest.raises(CommandError, match="--all"):
        run("acme", "--yes")
    assert not Replay.objects.exists()


@pytest.mark.parametrize(("reply", "replays"), [("y", 1), ("yes", 1), ("n", 0), ("", 0)])
def test_replay_asks_before_it_starts(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, reply: str, replays: int
) -> None:
    letters(endpoint, 1)
    monkeypatch.setattr("builtins.input", lambda: reply)
    run("acme", "--all")
    assert Replay.objects.count() == replays


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (["unknown"], "tenant"),
        (["tnt_x"], "tnt"),
        (["acme", "--endpoint", "unknown"], "endpoint"),
        (["acme", "--scope", "events", "--cause", "responded_410"], "cause"),
        (["acme", "--since", "yesterday"], "since"),
        (["acme", "--all", "--rate", "0", "--yes"], "rate"),
        (["acme", "--scope", "events", "--force"], "force"),
    ],
)
def test_replay_with_an_invalid_option_names_it(endpoint: Endpoint, arguments: list[str], field: str) -> None:
    letters(endpoint, 1)
    with pytest.raises(CommandError, match=field):
        run(*arguments)
    assert not Replay.objects.exists()
