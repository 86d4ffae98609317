"""Declare the settings that all kinds of AWS have, sign their requests, and read the errors of their APIs.

The codes are those of the common errors of AWS services and of each API's reference; JSON services name them in
``__type`` or ``code``, REST services in a header, query services and S3 in an XML element ``Code``.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import orjson

from delivery.transports.http.responses import SUCCESS
from delivery.transports.https import api_responses
from delivery.transports.https.api_responses import failure_of_status, parsed
from delivery.transports.https.kind import HttpsRequest, call
from delivery.transports.outcome import Failure, Outcome
from subscriptions.endpoints.destinations.kind import Connection, DestinationUnavailable, InvalidSettings, Setting
from webhooks.kit.kinds.setting import url_problem
from webhooks.wire.signing.aws_sigv4 import AwsCredentials, AwsSigner

REGION = Setting("region", "Region", "Region of the resource.", is_required=True, max_length=64, example="eu-central-1")
ENDPOINT_URL = Setting(
    "endpoint_url",
    "API URL",
    "URL of the API, for an interface endpoint or a compatible server. Default: that of AWS in the region.",
    example="https://vpce-1.sqs.eu-central-1.vpce.amazonaws.com",
)
CREDENTIALS = (
    Setting(
        "access_key_id",
        "Access key id",
        "Id of an access key that may write to the resource.",
        is_required=True,
        max_length=128,
        is_credential=True,
    ),
    Setting(
        "secret_access_key",
        "Secret access key",
        "Secret of the access key.",
        is_required=True,
        max_length=256,
        is_credential=True,
    ),
    Setting("session_token", "Session token", "Token of temporary credentials.", max_length=4096, is_credential=True),
)
_REGION = re.compile(r"[a-z0-9-]{1,64}")
_XML_CODE = re.compile(rb"<Code>([^<]{1,200})</Code>")
_ERROR_TYPE = re.compile(
    rb"^x-amzn-errortype:[ \t]*(?:[^\s:#]{1,200}#)?([A-Za-z.]{1,200})", re.IGNORECASE | re.MULTILINE
)  # before the code a namespace, after it the address of a page
_XML_MESSAGE = re.compile(rb"<Message>([^<]{0,800})</Message>")

DENIED = re.compile(
    r"AccessDenied|NotAuthorized|AuthorizationError|UnrecognizedClient|InvalidClientTokenId|InvalidAccessKeyId|Signature"
    r"|ExpiredToken|InvalidToken|MissingAuthenticationToken|AuthFailure|OptInRequired|KMSAccessDenied|InvalidSecurity"
    r"|KmsAccessDenied|Forbidden"
)
THROTTLED = re.compile(
    r"Throttl|RequestLimitExceeded|TooManyRequests|ProvisionedThroughputExceeded|SlowDown|OverLimit|LimitExceeded"
)
MISSING = re.compile(r"NonExistent|NotFound|NoSuch|QueueDoesNotExist|QueueDeleted")
BROKEN = re.compile(r"InternalError|InternalFailure|InternalException|ServiceUnavailable|ServiceException")


def check_aws(connection: Connection) -> None:
    """Check region and URL. Raises InvalidSettings."""
    problems = {}
    if not _REGION.fullmatch(connection.settings["region"]):
        problems["settings.region"] = "Must be lower-case letters, digits and hyphens, such as eu-central-1."
    if url := connection.settings.get("endpoint_url"):
        problems |= url_problem(url, "settings.endpoint_url")
    for name in ("access_key_id", "secret_access_key", "session_token"):
        if not re.fullmatch(r"[!-~]*", connection.credentials.get(name, "")):
            problems[f"credentials.{name}"] = "Must be printable ASCII without spaces."
    if problems:
        raise InvalidSettings(problems)


def in_region(connection: Connection, region: str) -> Connection:
    """Return a connection whose region follows from another setting, such as an ARN."""
    settings = {**connection.settings, "region": region}
    return Connection(connection.endpoint, connection.share, settings, connection.credentials)


def api_url(connection: Connection, service: str) -> str:
    """Return the URL of the API of a service, with a slash at its end."""
    own = connection.settings.get("endpoint_url")
    region = connection.settings["region"]
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"{(own or f'https://{service}.{region}.{domain}').rstrip('/')}/"


class AwsApi:
    """Make signed requests of one API of AWS. ``service``: its name in signatures."""

    def __init__(self, connection: Connection, service: str, url: str) -> None:
        self.url = url
        credentials = connection.credentials
        self._signer = AwsSigner(
            AwsCredentials(
                access_key_id=credentials.get("access_key_id", ""),
                secret_access_key=credentials.get("secret_access_key", ""),
                region=connection.settings["region"],
                service=service,
                session_token=credentials.get("session_token", ""),
            ),
            url,
        )

    def request(
        self, headers: Mapping[str, str], body: bytes, now: float, method: str = "POST", path: str = ""
    ) -> HttpsRequest:
        """Return a signed request; ``headers``: all of its own, in lower case. ``path``: instead of that of the URL."""
        signed = {**headers, **self._signer.sign(headers, body, now, method, path)}
        url = urlsplit(self.url)._replace(path=path).geturl() if path else self.url
        return HttpsRequest(url, body, signed, method)

    def json_request(self, target: str, content: Any, now: float, version: str = "1.0") -> HttpsRequest:
        """Return a signed request of the AWS JSON protocol: the operation ``target`` with its input."""
        headers = {"content-type": f"application/x-amz-json-{version}", "x-amz-target": target}
        return self.request(headers, orjson.dumps(content), now)


def test_call(connection: Connection, request: HttpsRequest, setting: str) -> dict[str, Any]:
    """Return the JSON that a request of a test gets; ``setting`` names the resource. Raises DestinationUnavailable."""
    status, body = call(connection, request, setting)
    if status in SUCCESS:
        return parsed(body)
    code, message = error_of(body)
    failure = failure_of_code(code, status)
    if failure is Failure.ACCESS_DENIED:
        raise DestinationUnavailable(f"Access denied ({code or status}).", "credentials")
    raise DestinationUnavailable(f"{code or status}: {message}", setting)


def error_of(body: bytes) -> tuple[str, str]:
    """Return the code and the message of an error; both empty if the body has none."""
    document = parsed(body)
    if document:
        code = str(document.get("__type") or document.get("code") or document.get("Code") or "").rpartition("#")[2]
        return code, str(document.get("message") or document.get("Message") or "")
    code_found, message = _XML_CODE.search(body), _XML_MESSAGE.search(body)
    return _text(code_found), _text(message)


def _text(found: "re.Match[bytes] | None") -> str:
    return found[1].decode("utf-8", "replace") if found else ""


def failure_of_code(code: str, status: int | None) -> Failure:
    """Return what an error of the whole request or of one entry means."""
    for pattern, failure in (
        (DENIED, Failure.ACCESS_DENIED),
        (THROTTLED, Failure.THROTTLED),
        (MISSING, Failure.NOT_FOUND),
        (BROKEN, Failure.UNAVAILABLE),
    ):
        if pattern.search(code):
            return failure
    return failure_of_status(status)


def failed(outcome: Outcome, code: str, text: str = "", status: int | None = None) -> Outcome:
    """Return the outcome of a message that failed with this code, in a request with this outcome."""
    failure = failure_of_code(code, outcome.status if status is None else status)
    return api_responses.failed(outcome, failure, f"{code}: {text}" if text or outcome.delivered else "")


def whole_failure(outcome: Outcome, count: int) -> Sequence[Outcome] | None:
    """Return the outcomes of all messages of a request that failed as a whole; None if it has a 2xx response."""
    if outcome.delivered:
        return None
    if outcome.status is None:
        return [outcome] * count
    named = _ERROR_TYPE.search(outcome.headers)  # services with a REST API name the error there
    code = _text(named) if named else error_of(outcome.response)[0]
    return [failed(outcome, code)] * count
