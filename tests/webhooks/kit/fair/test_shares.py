"""A key holds at most what is free: alone half, the next one a quarter; a newcomer always gets something."""

import pytest

from webhooks.kit.fair.shares import ShareExceeded, Shares


def take_all(shares: Shares, key: str) -> int:
    count = 0
    while shares.take(key):
        count += 1
    return count


def test_each_further_key_gets_half_of_what_is_free() -> None:
    shares = Shares("places", 16)
    assert [take_all(shares, key) for key in "abcde"] == [8, 4, 2, 1, 1]
    assert shares.free == 0


def test_single_large_amount_leaves_as_much_for_others() -> None:
    shares = Shares("bytes", 1000)
    assert not shares.take("a", 600)
    assert shares.take("a", 500)
    assert shares.take("b", 250)


def test_released_amounts_are_free_for_others() -> None:
    shares = Shares("bytes", 100)
    assert shares.take("a", 50)
    assert not shares.take("a", 1)
    assert not shares.take("b", 51)
    shares.release("a", 50)
    assert shares.free == 100
    assert shares.take("b", 50)


def test_fixed_limit_of_a_key_is_below_its_share() -> None:
    assert take_all(Shares("places", 100, most=3), "a") == 3


def test_hold_releases_also_after_an_exception() -> None:
    shares = Shares("places", 2)
    with pytest.raises(ZeroDivisionError), shares.hold("a"):
        raise ZeroDivisionError
    assert shares.free == 2


def test_hold_beyond_the_share_names_the_resource() -> None:
    shares = Shares("calls", 1)
    with shares.hold("a"), pytest.raises(ShareExceeded, match="calls"), shares.hold("b"):
        pass


def test_keys_that_hold_nothing_are_not_remembered() -> None:
    shares = Shares("places", 1)
    shares.take("a")
    assert not shares.take("b")
    shares.release("a")
    assert len(shares._held) == 0
