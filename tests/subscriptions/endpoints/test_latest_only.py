"""Check the key of an endpoint that is sent only the latest of what waits."""

import pytest

from subscriptions.endpoints.endpoints import change_endpoint, create_endpoint
from subscriptions.endpoints.latest_only import check_latest_only
from subscriptions.errors import Invalid
from tests.factories import make_endpoint, make_tenant

URL = "https://93.184.215.14/"


@pytest.mark.parametrize("key", [None, "endpoint", "subject", "partitionkey", "$.type", "$.data.lines[0].id"])
def test_name_or_path_of_one_value_is_accepted(key: str | None) -> None:
    check_latest_only(key, "")


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("", "Must be endpoint, subject, partitionkey, or a path"),
        ("type", "Must be endpoint, subject, partitionkey, or a path"),
        ("$", "or a path"),
        ("$.data[*].id", "without *"),
        ("$.data..id", "cannot parse"),
    ],
)
def test_other_key_is_refused_with_what_to_give(key: str, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_latest_only(key, "")
    assert message in str(caught.value)


def test_ordered_endpoint_has_one_key() -> None:
    check_latest_only("subject", "subject")
    with pytest.raises(Invalid, match="Must be subject, the same as ordering, or null"):
        check_latest_only("$.data.id", "subject")


@pytest.mark.django_db
class TestEndpoint:
    def test_creating_checks_it(self) -> None:
        with pytest.raises(Invalid):
            create_endpoint(make_tenant(), url=URL, latest_only="colour")

    def test_changing_the_ordering_alone_checks_it_too(self) -> None:
        endpoint = make_endpoint(latest_only="$.data.id")
        with pytest.raises(Invalid):
            change_endpoint(endpoint, {"ordering": "subject"})
        assert change_endpoint(endpoint, {"ordering": "subject", "latest_only": "subject"}).latest_only == "subject"
