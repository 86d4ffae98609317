"""Order keys, as destinations accept them."""

from delivery.transports.order_keys import accepted_key


def test_key_that_fits_stays_as_it_is() -> None:
    assert accepted_key("customer 7", fits=True) == "customer 7"


def test_key_that_does_not_fit_is_its_digest_and_the_same_each_time() -> None:
    first, again, other = (accepted_key(text, fits=False) for text in ("a" * 300, "a" * 300, "b" * 300))
    assert first == again != other
    assert len(first) == 64


def test_empty_key_is_one_group_for_all() -> None:
    assert accepted_key("", fits=False) == accepted_key("", fits=True) == "default"
