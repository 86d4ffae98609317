"""Invoke functions of AWS Lambda: by the Invoke API, or by the URL of the function.

Invoke gives the function the body as its event: asynchronously (``Event``: Lambda has stored it, and repeats by its own
rules), or synchronously (``RequestResponse``: the function has returned). The URL gives it an HTTP request with
the headers of Standard Webhooks, signed if the URL requires AWS_IAM.

API reference: AWS Lambda, Invoke, GetFunctionConfiguration; developer guide, "Invoking Lambda function URLs", quotas.
"""

import json
import re
import time
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from delivery.transports.https import aws
from delivery.transports.https.kind import HttpsClient, HttpsKind, HttpsRequest
from delivery.transports.message import Message
from delivery.transports.outcome import Failure, Outcome
from delivery.transports.send_failed import SendFailed
from subscriptions.endpoints.destinations.kind import Connection, DestinationUnavailable, InvalidSettings, Setting
from webhooks.kit.kinds.setting import url_problem

EVENT, REQUEST_RESPONSE = "Event", "RequestResponse"
MAX_BYTES = {EVENT: 1024 * 1024, REQUEST_RESPONSE: 6 * 1024 * 1024}  # of a payload
FUNCTION_ERROR = "x-amz-function-error"  # header of a response with status 200, if the function has failed
API_PATH = "2015-03-31/functions/"
_NAME = r"[A-Za-z0-9_-]{1,140}"
_QUALIFIER = r"(:[A-Za-z0-9$_-]{1,128})?"
_FUNCTION = re.compile(_NAME + _QUALIFIER)
_ARN = re.compile(rf"arn:aws[a-z-]*:lambda:([a-z0-9-]{{1,64}}):[0-9]{{12}}:function:{_NAME}{_QUALIFIER}")
_HOST_REGION = re.compile(r"[a-z0-9]+\.lambda-url\.([a-z0-9-]+)\.on\.aws")
_KEYS = ("access_key_id", "secret_access_key")


class Lambda(HttpsKind):
    """Functions of AWS Lambda."""

    name = "lambda"
    label = "AWS Lambda"
    description = (
        "An event invokes a function. At least once: Lambda has stored it (Event), or the function has returned "
        "without an error (RequestResponse, URL)."
    )
    settings = (
        Setting(
            "function",
            "Function",
            "Name or ARN of the function, also with a version or alias; or give its URL.",
            max_length=512,
            example="arn:aws:lambda:eu-central-1:123456789012:function:orders:live",
        ),
        Setting(
            "function_url",
            "Function URL",
            "URL of the function, instead of its name.",
            example="https://abcdefghijklmnop.lambda-url.eu-central-1.on.aws/",
        ),
        Setting(
            "invocation",
            "Invocation",
            "Event: delivered when Lambda has stored the event. RequestResponse: when the function has returned. "
            "A URL always waits for the function.",
            default=EVENT,
            choices=(EVENT, REQUEST_RESPONSE),
        ),
        Setting("region", "Region", "Region of the function. Default: that in its ARN or URL.", max_length=64),
        aws.ENDPOINT_URL,
        *(
            Setting(
                it.name,
                it.label,
                f"{it.help_text} Needed except for a URL without authentication.",
                max_length=it.max_length,
                is_credential=True,
            )
            if it.is_required
            else it
            for it in aws.CREDENTIALS
        ),
    )

    def check(self, connection: Connection) -> None:
        settings, problems = connection.settings, {}
        function, url = settings.get("function"), settings.get("function_url")
        if bool(function) == bool(url):
            problems["settings.function"] = "Give either the function or function_url."
        elif function and not (_FUNCTION.fullmatch(function) or _ARN.fullmatch(function)):
            problems["settings.function"] = "Must be the name or the ARN of a function."
        elif url:
            problems |= url_problem(url, "settings.function_url")
        keys = [name for name in _KEYS if connection.credentials.get(name)]
        if len(keys) == 1 or (function and not keys):
            problems |= {f"credentials.{name}": "Is required." for name in _KEYS if name not in keys}
        if not problems and keys and not _region(settings):
            problems["settings.region"] = "Is required: neither an ARN nor the URL names it."
        if problems:
            raise InvalidSettings(problems)
        if keys:
            aws.check_aws(_located(connection))

    def address(self, settings: Mapping[str, Any]) -> str:
        if url := settings.get("function_url"):
            return str(url)
        function = str(settings["function"])
        return function if _ARN.fullmatch(function) else f"lambda://{_region(settings)}/{function}"

    def test(self, connection: Connection) -> str:
        if connection.settings.get("function_url"):
            return "The URL was not called, because that invokes the function."
        request = _api(connection, _api_url(connection, "configuration")).request({}, b"", time.time(), "GET")
        found = aws.test_call(connection, request, "settings.function")
        if found.get("State") not in (None, "Active", "Inactive"):
            raise DestinationUnavailable(f"The function is {str(found['State'])[:100]}.", "settings.function")
        return "The function exists."

    def client(self, connection: Connection) -> HttpsClient:
        return LambdaUrlClient(connection) if connection.settings.get("function_url") else LambdaClient(connection)


class LambdaClient(HttpsClient):
    """Write and read Invoke for one function."""

    def __init__(self, connection: Connection) -> None:
        self._invocation = connection.settings["invocation"]
        self._api = _api(connection, _api_url(connection, "invocations"))

    def size_of(self, message: Message) -> int:
        size = _size_of(message, MAX_BYTES[self._invocation])
        if not message.is_event and message.event is None and not is_json(message.body):
            raise SendFailed(Failure.REFUSED, "The rendered body must be JSON to be the event of a function.")
        return size

    def compose(self, messages: Sequence[Message], now: float, bearer: str) -> HttpsRequest:
        (message,) = messages
        headers = {"content-type": "application/json", "x-amz-invocation-type": self._invocation}
        if self._invocation == REQUEST_RESPONSE:  # Lambda passes the context only to these
            custom = json.dumps({"custom": message.attributes}, separators=(",", ":"))
            headers["x-amz-client-context"] = b64encode(custom.encode()).decode()
        return self._api.request(headers, message.body, now)

    def verdicts(self, outcome: Outcome, messages: Sequence[Message]) -> Sequence[Outcome]:
        if (whole := aws.whole_failure(outcome, len(messages))) is not None:
            return whole
        if _has_function_error(outcome.headers):
            return [outcome._replace(failure=Failure.REFUSED, rejected=True)] * len(messages)
        return [outcome] * len(messages)


class LambdaUrlClient(HttpsClient):
    """Write and read requests to the URL of one function; what a status means is the same as for a webhook."""

    def __init__(self, connection: Connection) -> None:
        self._url = connection.settings["function_url"]
        self._api = _api(connection, self._url) if connection.credentials.get("access_key_id") else None

    def size_of(self, message: Message) -> int:
        return _size_of(message, MAX_BYTES[REQUEST_RESPONSE])

    def compose(self, messages: Sequence[Message], now: float, bearer: str) -> HttpsRequest:
        (message,) = messages
        if self._api is None:
            return HttpsRequest(self._url, message.body, message.attributes)
        return self._api.request(message.attributes, message.body, now)


def _size_of(message: Message, limit: int) -> int:
    if len(message.body) > limit:
        raise SendFailed(Failure.TOO_LARGE, f"The event has {len(message.body)} bytes; Lambda accepts {limit}.")
    return len(message.body)


def is_json(body: bytes) -> bool:
    """Return whether a body is JSON."""
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


def _has_function_error(headers: bytes) -> bool:
    lines = headers.decode("latin-1").lower().splitlines()
    return any(line.startswith(f"{FUNCTION_ERROR}:") for line in lines)


def _api_url(connection: Connection, action: str) -> str:
    located = _located(connection)
    name = quote(connection.settings["function"], safe="")
    return f"{aws.api_url(located, 'lambda')}{API_PATH}{name}/{action}"


def _api(connection: Connection, url: str) -> aws.AwsApi:
    return aws.AwsApi(_located(connection), "lambda", url)


def _region(settings: Mapping[str, Any]) -> str:
    found = _ARN.fullmatch(settings.get("function", "")) or _HOST_REGION.fullmatch(
        urlsplit(settings.get("function_url", "")).netloc
    )
    return settings.get("region") or (found[1] if found else "")


def _located(connection: Connection) -> Connection:
    return aws.in_region(connection, _region(connection.settings))
