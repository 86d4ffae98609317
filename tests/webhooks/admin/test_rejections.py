"""Check that the admin shows why a request was refused in words, and finds rejections by it."""

import pytest
from django.urls import reverse

from tests.factories_receiver import make_source
from tests.webhooks.admin.operators import SEES_ALL, operator
from webhooks.admin.rejections import REASONS_IN_WORDS
from webhooks.models import Rejection
from webhooks.receiving.verification import REASONS

LIST = "/admin/webhooks/rejection/"


def test_every_reason_has_words() -> None:
    assert REASONS_IN_WORDS.keys() == set(REASONS)
    assert len(set(REASONS_IN_WORDS.values())) == len(REASONS)
    assert [it for it in REASONS_IN_WORDS.values() if "_" in it] == []


@pytest.mark.django_db
def test_list_and_page_show_the_reason_in_words_and_its_code_as_the_tooltip() -> None:
    row = Rejection.objects.create(source=make_source(), reason="no_match")
    client = operator(*SEES_ALL)
    for path in (LIST, reverse("admin:webhooks_rejection_change", args=[row.pk])):
        assert 'title="no_match">Signature does not match<' in client.get(path).content.decode()


@pytest.mark.django_db
def test_reason_of_another_version_is_shown_without_underscores() -> None:
    Rejection.objects.create(source=make_source(), reason="too_old")
    assert ">too old<" in operator(*SEES_ALL).get(LIST).content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("query", ["reason=no_match", "q=no_match"])
def test_rejections_are_found_by_their_reason(query: str) -> None:
    source = make_source()
    found, other = (Rejection.objects.create(source=source, reason=it) for it in ("no_match", "too_large"))
    shown = operator(*SEES_ALL).get(f"{LIST}?{query}").content.decode()
    assert found.public_id[-8:] in shown
    assert other.public_id[-8:] not in shown
