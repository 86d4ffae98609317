import pytest

from webhooks import schemes
from webhooks.wire.errors import BadSecret


def test_verify_with_scheme_none_accepts_every_message() -> None:
    schemes.verify("none", [], {}, b"anything", now=0)


def test_verify_with_scheme_none_rejects_a_secret() -> None:
    with pytest.raises(BadSecret):
        schemes.verify("none", ["secret"], {}, b"anything", now=0)
