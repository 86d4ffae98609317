import pytest

from webhooks import schemes
from webhooks.wire.errors import BadSecret


def test_none_accepts_everything() -> None:
    schemes.verify("none", [], {}, b"anything", now=0)


def test_none_with_a_secret_is_refused_for_it_would_not_be_checked() -> None:
    with pytest.raises(BadSecret):
        schemes.verify("none", ["secret"], {}, b"anything", now=0)
