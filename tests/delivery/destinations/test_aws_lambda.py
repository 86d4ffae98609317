"""Functions of AWS Lambda, invoked by the API and by their URL, on a server that checks signatures."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from delivery.destinations.aws_lambda import EVENT, MAX_BYTES, REQUEST_RESPONSE, LambdaClient
from delivery.models import Delivery, Lane
from delivery.transports.message import Message
from delivery.transports.outcome import Failure, Outcome
from delivery.transports.send_failed import SendFailed
from subscriptions.endpoints.destinations.kind import Connection, InvalidSettings
from subscriptions.endpoints.destinations.registry import checked_connection
from tests.delivery.destinations.battery import (
    SECRET,
    Battery,
    Place,
    Received,
    endpoint_of,
    latest_attempt,
    publish_to,
    run_drain,
)
from tests.delivery.destinations.battery import hung_port as hung_port
from tests.delivery.destinations.battery import loopback as loopback
from tests.delivery.destinations.lambda_server import KEY_ID, REGION, LambdaServer, lambda_server
from tests.delivery.destinations.lambda_server import SECRET as AWS_SECRET
from webhooks.wire.signing.standard_webhooks import verify

_numbers = count(1)
CREDENTIALS = {"access_key_id": KEY_ID, "secret_access_key": AWS_SECRET}


class Function(Place):
    def __init__(self, server: LambdaServer, invocation: str = EVENT) -> None:
        self.server, self.function, self.invocation = server, f"f{next(_numbers)}:live", invocation
        server.functions[self.function] = []
        settings = {
            "function": self.function,
            "region": REGION,
            "endpoint_url": server.url,
            "invocation": invocation,
        }
        super().__init__("lambda", settings, CREDENTIALS, (AWS_SECRET,))
        self.has_attributes, self.shown_at = invocation == REQUEST_RESPONSE, server.url

    def received(self) -> list[Received]:
        return self.server.functions[self.function]

    def elsewhere(self) -> "Function":
        return Function(self.server, self.invocation)

    def denied(self) -> tuple[dict[str, Any], dict[str, str]]:
        return self.settings, {**self.credentials, "secret_access_key": "wrong"}

    def missing(self) -> tuple[dict[str, Any], dict[str, str]]:
        return {**self.settings, "function": "not-there"}, self.credentials

    def at_port(self, port: int) -> tuple[dict[str, Any], dict[str, str]]:
        return {**self.settings, "endpoint_url": f"http://127.0.0.1:{port}"}, self.credentials


@pytest.fixture(scope="module")
def server() -> Iterator[LambdaServer]:
    with lambda_server() as it:
        yield it


class TestStoredByLambda(Battery):
    """Run what every kind promises."""

    @pytest.fixture
    def place(self, server: LambdaServer) -> Function:
        return Function(server)


class TestReturnedByTheFunction(Battery):
    """Run what every kind promises."""

    @pytest.fixture
    def place(self, server: LambdaServer) -> Function:
        return Function(server, REQUEST_RESPONSE)

    def test_error_of_the_function_is_retried_and_the_function_counts_as_alive(
        self, place: Function, server: LambdaServer
    ) -> None:
        server.answers[place.function] = (200, {"X-Amz-Function-Error": "Unhandled"}, b'{"errorMessage": "no"}')
        endpoint = endpoint_of(place)
        publish_to(endpoint, 1)
        run_drain()
        assert latest_attempt().error == Failure.REFUSED
        assert Delivery.objects.get().state == "pending"
        assert Lane.objects.get(endpoint=endpoint).failures == 0


@pytest.mark.django_db(transaction=True)
class TestUrl:
    def given(self, server: LambdaServer, path: str) -> dict[str, str]:
        server.functions["url"] = []
        return {"function_url": f"{server.url}/{path}/url", "region": REGION}

    @pytest.mark.parametrize(("path", "credentials"), [("closed", CREDENTIALS), ("open", {})])
    def test_request_has_the_headers_of_standard_webhooks(
        self, server: LambdaServer, path: str, credentials: dict[str, str]
    ) -> None:
        given = self.given(server, path)
        publish_to(endpoint_of(Function(server), (given, credentials)), {"n": 1})
        run_drain()
        (received,) = server.functions["url"]
        timestamp = float(received.attributes["webhook-timestamp"])
        verify([SECRET], received.attributes, received.body, now=timestamp)
        assert Delivery.objects.get().state == "delivered"

    def test_url_that_requires_a_signature_rejects_a_wrong_one(self, server: LambdaServer) -> None:
        given, credentials = self.given(server, "closed"), {**CREDENTIALS, "secret_access_key": "wrong"}
        endpoint = endpoint_of(Function(server), (given, credentials))
        publish_to(endpoint, 1)
        run_drain()
        assert latest_attempt().status == 403
        assert Lane.objects.get(endpoint=endpoint).failures == 0


ARN = "arn:aws:lambda:eu-central-1:123456789012:function:orders:live"


def client(**settings: Any) -> LambdaClient:
    given = {"function": ARN, "invocation": EVENT, **settings}
    return LambdaClient(Connection("ep_1", 1, given, CREDENTIALS))


def message(body: bytes) -> Message:
    return Message("evt_1", body, "text/plain", False, None, 1, "v1,x")


def test_request_goes_to_the_region_of_the_function() -> None:
    request = client().compose([message(b"{}")], 1_700_000_000, "")
    assert request.url.startswith("https://lambda.eu-central-1.amazonaws.com/2015-03-31/functions/arn%3Aaws%3A")
    assert request.headers["x-amz-invocation-type"] == "Event"


def test_event_of_more_than_lambda_stores_is_too_large() -> None:
    with pytest.raises(SendFailed, match="Lambda accepts 1048576") as caught:
        client().size_of(message(b" " * (MAX_BYTES[EVENT] + 1)))
    assert caught.value.failure == Failure.TOO_LARGE
    assert client(invocation=REQUEST_RESPONSE).size_of(message(b'"%s"' % (b" " * MAX_BYTES[EVENT])))


def test_error_in_a_header_with_namespace_or_address_is_read() -> None:
    for line in (
        b"x-amzn-ErrorType: ResourceNotFoundException:http://internal.amazon.com/coral/\r\n",
        b"X-Amzn-Errortype: com.amazonaws.lambda#ResourceNotFoundException\r\n",
    ):
        outcome = Outcome(1.0, 5, 400, Failure.STATUS, b"", line)
        assert [it.failure for it in client().verdicts(outcome, [message(b"{}")])] == [Failure.NOT_FOUND]


def test_rendered_body_that_is_no_json_is_refused() -> None:
    with pytest.raises(SendFailed, match="JSON"):
        client().size_of(message(b"paid"))


@pytest.mark.parametrize(
    ("status", "code", "failure"),
    [
        (429, "TooManyRequestsException", Failure.THROTTLED),
        (404, "ResourceNotFoundException", Failure.NOT_FOUND),
        (403, "AccessDeniedException", Failure.ACCESS_DENIED),
        (500, "ServiceException", Failure.UNAVAILABLE),
        (400, "InvalidRequestContentException", Failure.REFUSED),
    ],
)
def test_error_of_lambda_says_what_to_do(status: int, code: str, failure: Failure) -> None:
    outcome = Outcome(1.0, 5, status, Failure.STATUS, b'{"__type": "%s"}' % code.encode())
    assert [it.failure for it in client().verdicts(outcome, [message(b"{}")])] == [failure]


@pytest.mark.parametrize(
    ("given", "credentials", "field"),
    [
        ({}, CREDENTIALS, "settings.function"),
        ({"function": ARN, "function_url": "https://a.example/"}, CREDENTIALS, "settings.function"),
        ({"function": "a b"}, CREDENTIALS, "settings.function"),
        ({"function": "orders"}, CREDENTIALS, "settings.region"),
        ({"function_url": "https://functions.example/"}, CREDENTIALS, "settings.region"),
        ({"function_url": "ftp://functions.example/"}, {}, "settings.function_url"),
        ({"function": ARN}, {"access_key_id": "AKIA"}, "credentials.secret_access_key"),
    ],
)
def test_settings_that_cannot_work_are_named(given: dict[str, str], credentials: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        checked_connection("lambda", Connection("", 1, {}), given, credentials)
    assert [*caught.value.problems] == [field]


def test_region_of_a_url_of_lambda_follows_from_it() -> None:
    url = "https://abcdefghijklmnop.lambda-url.eu-central-1.on.aws/"
    assert checked_connection("lambda", Connection("", 1, {}), {"function_url": url}, CREDENTIALS)
