"""Test which messages count as repeats: by id, by content within a window, or none."""

from datetime import timedelta

import pytest
from django.db.models import F

from tests.factories_receiver import make_source
from tests.webhooks.receiving.shells import post
from webhooks.kit.bodies.claim_check import INLINE_MAX
from webhooks.models import Receipt, Rejection
from webhooks.receiving.rejections import reset_samples
from webhooks.sources.source_counts import source_counts

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shell")]

MOLLIE = b"id=tr_7"  # the whole message of a sender whose retries and second messages look the same
FORM = {"content_type": "application/x-www-form-urlencoded"}


def statuses(source, *bodies: bytes, **how) -> list[int]:
    return [post(source, body, {}, **{**FORM, **how}).status_code for body in bodies]


def test_messages_without_an_id_are_all_stored() -> None:
    source = make_source(scheme="none", secret=None)
    assert statuses(source, MOLLIE, MOLLIE) == [202, 202]
    assert [receipt.message_id for receipt in Receipt.objects.order_by("id")] == [
        receipt.public_id for receipt in Receipt.objects.order_by("id")
    ]


def test_large_messages_without_an_id_are_all_stored() -> None:
    source = make_source(scheme="none", secret=None)
    body = b"x" * (INLINE_MAX + 1)
    assert statuses(source, body, body) == [202, 202]
    assert Receipt.objects.count() == 2


def test_message_with_equal_content_within_the_window_is_a_duplicate() -> None:
    source = make_source(scheme="none", secret=None, dedupe="content", dedupe_window_seconds=60)
    assert statuses(source, MOLLIE, MOLLIE, b"id=tr_8") == [202, 200, 202]


def test_message_with_equal_content_after_the_window_is_stored_again() -> None:
    source = make_source(scheme="none", secret=None, dedupe="content", dedupe_window_seconds=60)
    statuses(source, MOLLIE, MOLLIE)
    Receipt.objects.update(received_at=F("received_at") - timedelta(seconds=61))
    assert statuses(source, MOLLIE, MOLLIE) == [202, 200]
    assert list(Receipt.objects.order_by("id").values_list("may_repeat", flat=True)) == [True, False]


def test_content_is_compared_whatever_ids_the_messages_have() -> None:
    source = make_source(scheme="none", secret=None, dedupe="content", message_id_path="header:X-Id")
    codes = [post(source, MOLLIE, {"X-Id": message_id}, **FORM).status_code for message_id in "ab"]
    assert codes == [202, 200]


def test_source_that_does_not_deduplicate_stores_repeated_ids() -> None:
    source = make_source(scheme="none", secret=None, dedupe="off", message_id_path="header:X-Id")
    codes = [post(source, MOLLIE, {"X-Id": "a"}, **FORM).status_code for _ in range(3)]
    assert codes == [202, 202, 202]
    assert list(Receipt.objects.values_list("message_id", flat=True)) == ["a"] * 3


def test_repeated_id_is_a_duplicate_again_after_the_source_was_switched_from_off() -> None:
    source = make_source(scheme="none", secret=None, dedupe="off", message_id_path="header:X-Id")
    post(source, MOLLIE, {"X-Id": "a"}, **FORM)
    other = make_source(scheme="none", secret=None, message_id_path="header:X-Id")
    codes = [post(other, MOLLIE, {"X-Id": "a"}, **FORM).status_code for _ in range(2)]
    assert codes == [202, 200]


def test_duplicate_with_other_content_is_a_rejection_and_counted() -> None:
    reset_samples()
    source = make_source(scheme="none", secret=None, message_id_path="header:X-Id")
    for body in (b"one", b"two"):
        post(source, body, {"X-Id": "a"}, **FORM)
    rejection = Rejection.objects.get()
    assert (rejection.reason, Receipt.objects.get().public_id in rejection.detail) == ("other_content", True)
    source_counts.write()
    hour = source.hours.get()
    assert (hour.received, hour.duplicates, hour.conflicts) == (1, 1, 1)
