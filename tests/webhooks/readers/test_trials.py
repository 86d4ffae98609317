"""Test that sources which do not respond delay no source that does."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from tests.webhooks.readers.conftest import read_source
from tests.webhooks.readers.scripted import System
from webhooks.models import Receipt, SourcePartition
from webhooks.readers.leases import lease_next, others_are_due
from webhooks.readers.slices import read_sources, run
from webhooks.readers.trials import Trials

SETTINGS = {"topic": "hangs"}


@pytest.fixture
def silent(system: System) -> Iterator[threading.Event]:
    """The event that lets the topic ``hangs`` respond, with an error; set after the test."""
    system.responds = threading.Event()
    yield system.responds
    system.responds.set()
    join_trials()


def join_trials() -> None:
    for thread in threading.enumerate():
        if thread.name == "trial":
            thread.join(60)
            assert not thread.is_alive()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("receiver", "rules")
def test_source_that_works_is_read_while_new_and_failing_ones_do_not_respond(
    system: System, silent: threading.Event, settings: object
) -> None:
    settings.WAYPOST_DEFAULT_WORKERS = 2  # type: ignore[attr-defined]
    for _ in range(3):
        read_source(settings=SETTINGS)
    works = read_source()
    partition = SourcePartition.objects.filter(source=works)
    partition.update(last_read_at=timezone.now())
    system.add(b'{"n": 1}')
    assert read_sources() == 1
    assert Receipt.objects.count() == 1
    silent.set()
    join_trials()
    failing = SourcePartition.objects.exclude(source=works)
    assert set(failing.values_list("failures", "last_error")) == {(1, "The server did not respond in time.")}


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("receiver", "rules")
def test_new_source_that_responds_is_read_in_a_trial_and_then_like_the_others(system: System, settings: object) -> None:
    settings.WAYPOST_DEFAULT_WORKERS = 2  # type: ignore[attr-defined]
    read_source()
    system.add(b'{"n": 1}')
    assert run(trials=Trials()) == 0
    join_trials()
    assert Receipt.objects.count() == 1
    system.add(b'{"n": 2}')
    SourcePartition.objects.update(next_read_at=timezone.now() - timedelta(seconds=1))
    assert run(trials=Trials()) == 1


def test_owner_of_many_trials_leaves_room_to_another(silent: threading.Event) -> None:
    trials, first, second = Trials(4), uuid4(), uuid4()
    started = 0
    while trials.has_room(first):
        trials.start(first, lambda: int(silent.wait(60)))
        started += 1
    assert (started, trials.has_room(second)) == (2, True)


@pytest.mark.django_db
def test_proven_partition_is_leased_before_failing_ones_of_its_owner_that_have_no_room(system: System) -> None:
    owner = uuid4()
    now = timezone.now()
    for minutes in (3, 2):
        failing = read_source()
        SourcePartition.objects.filter(source=failing).update(
            owner=owner, failing_since=now, last_read_at=now, next_read_at=now - timedelta(minutes=minutes)
        )
    assert not others_are_due()
    works = read_source()
    SourcePartition.objects.filter(source=works).update(owner=owner, last_read_at=now)
    assert others_are_due()
    lease = lease_next(lambda of: of != owner)
    assert lease is not None
    assert (lease.source_id, lease.is_proven, lease.owner) == (works.pk, True, owner)
    assert lease_next(lambda of: False) is None
    following = lease_next()
    assert following is not None
    assert not following.is_proven
