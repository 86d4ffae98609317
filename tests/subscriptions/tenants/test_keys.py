"""API keys: created, found in the cache or the database, rotated and revoked."""

from datetime import timedelta

import pytest
from django.utils import timezone

from subscriptions.errors import Invalid, StateConflict
from subscriptions.models import ApiKey
from subscriptions.tenants import keys
from tests.factories import make_key, make_tenant
from webhooks.kit.caches import timed_cache

pytestmark = pytest.mark.django_db


def test_create_key_stores_only_a_digest():
    tenant = make_tenant()
    key, text = keys.create_key(tenant, ["read"], "backend")
    found = keys.find_key(text)
    assert found == key
    assert found.tenant == tenant
    assert text.startswith("wp_")
    assert text not in str(ApiKey.objects.values().get())


@pytest.mark.parametrize("text", ["", "wp_", "wp_short", "wp_" + "A" * 43, "wp_" + "é" * 43, "wp_" + "\0" * 43])
def test_find_key_of_other_text_returns_none(text):
    make_key()
    assert keys.find_key(text) is None


@pytest.mark.parametrize("scopes", [[], ["everything"], ["read", "admin"]])
def test_create_key_without_known_scopes_is_rejected(scopes):
    with pytest.raises(Invalid) as error:
        keys.create_key(None, scopes)
    assert error.value.field == "scopes"


def test_create_key_with_an_expiry_in_the_past_is_rejected():
    with pytest.raises(Invalid) as error:
        make_key(expires_at=timezone.now())
    assert error.value.field == "expires_at"


def test_find_key_is_cached_for_a_second(django_assert_num_queries, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(timed_cache, "monotonic", lambda: clock[0])
    _, text = make_key(make_tenant())
    keys.find_key(text)
    with django_assert_num_queries(0):
        clock[0] += 0.999
        assert keys.find_key(text)
    with django_assert_num_queries(1):
        clock[0] += 0.001
        assert keys.find_key(text)


def test_key_revoked_by_another_process_is_invalid_after_a_second(monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(timed_cache, "monotonic", lambda: clock[0])
    _, text = make_key()
    keys.find_key(text)
    ApiKey.objects.update(revoked_at=timezone.now())
    clock[0] += 1
    assert keys.find_key(text) is None


def test_key_revoked_by_this_process_is_invalid_at_once():
    key, text = make_key()
    keys.find_key(text)
    keys.revoke_key(key)
    assert keys.find_key(text) is None


def test_revoke_key_again_keeps_the_first_time():
    key, _ = make_key()
    keys.revoke_key(key)
    key.refresh_from_db()
    first = key.revoked_at
    keys.revoke_key(key)
    key.refresh_from_db()
    assert key.revoked_at == first


def test_cached_key_expires_on_time(monkeypatch):
    _, text = make_key(expires_at=timezone.now() + timedelta(minutes=1))
    assert keys.find_key(text)
    later = timezone.now() + timedelta(minutes=1)
    monkeypatch.setattr(keys.timezone, "now", lambda: later)
    assert keys.find_key(text) is None


def test_key_of_a_deleted_tenant_is_invalid():
    _, text = make_key(make_tenant(deleted_at=timezone.now()))
    assert keys.find_key(text) is None


def test_last_use_is_recorded_once_a_minute(django_assert_num_queries):
    key, text = make_key()
    keys.find_key(text)
    key.refresh_from_db()
    assert key.last_used_at is not None
    keys.cached_keys.clear()
    with django_assert_num_queries(1):
        keys.find_key(text)
    ApiKey.objects.update(last_used_at=timezone.now() - timedelta(seconds=61))
    keys.cached_keys.clear()
    with django_assert_num_queries(2):
        keys.find_key(text)


def test_unknown_keys_do_not_evict_cached_ones(monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(keys.cached_keys, "max_size", 2)
    _, text = make_key()
    keys.find_key(text)
    for letter in "abcdef":
        keys.find_key("wp_" + letter * 43)
    with django_assert_num_queries(0):
        assert keys.find_key(text)


def test_cache_of_keys_is_bounded(monkeypatch):
    keys.cached_keys.clear()
    monkeypatch.setattr(keys.cached_keys, "max_size", 2)
    for _ in range(5):
        assert keys.find_key(make_key()[1])
    assert len(keys.cached_keys) <= 2


def test_rotate_key_keeps_the_old_key_valid_for_the_overlap(monkeypatch):
    tenant = make_tenant()
    old, old_text = make_key(tenant, "read", name="backend")
    new, new_text = keys.rotate_key(old, 3600)
    assert (new.tenant, new.scopes, new.name) == (tenant, ["read"], "backend")
    assert keys.find_key(old_text) == old
    assert keys.find_key(new_text) == new
    later = timezone.now() + timedelta(hours=1)
    monkeypatch.setattr(keys.timezone, "now", lambda: later)
    assert keys.find_key(old_text) is None
    assert keys.find_key(new_text) == new


def test_rotate_key_without_overlap_ends_the_old_key():
    old, old_text = make_key()
    keys.find_key(old_text)
    keys.rotate_key(old, 0)
    assert keys.find_key(old_text) is None


def test_rotate_key_does_not_extend_the_old_key():
    ends_at = timezone.now() + timedelta(minutes=1)
    old, _ = make_key(expires_at=ends_at)
    keys.rotate_key(old, 3600)
    old.refresh_from_db()
    assert old.expires_at == ends_at


def test_rotate_key_of_a_revoked_key_raises():
    key, _ = make_key()
    keys.revoke_key(key)
    with pytest.raises(StateConflict):
        keys.rotate_key(key)


@pytest.mark.parametrize("overlap", [-1, keys.MAX_OVERLAP + 1])
def test_overlap_out_of_bounds_is_rejected(overlap):
    with pytest.raises(Invalid) as error:
        keys.rotate_key(make_key()[0], overlap)
    assert error.value.field == "overlap_seconds"
