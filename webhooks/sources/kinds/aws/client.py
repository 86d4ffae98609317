"""Call an API of AWS with the JSON protocol, signed by Signature Version 4.

https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html. Errors are named in ``__type``; the table says which
setting each is about. An explanation of a wrong signature contains what was signed, so it is not shown.
"""

import json
import re
import time
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

import orjson

from webhooks.kit.kinds.setting import url_problem
from webhooks.outgoing.call_messages import CallResponse
from webhooks.sources.kinds.http_calls import Busy, response_of, start_request
from webhooks.sources.kinds.kind import Connection, InvalidSettings, Setting, SourceUnavailable
from webhooks.wire.signing.aws_sigv4 import AwsCredentials, AwsSigner

ACCESS_KEY, SECRET_KEY, TOKEN = "access_key_id", "secret_access_key", "session_token"
AWS_SETTINGS = (
    Setting(
        "region",
        "Region",
        "Region of AWS; not needed if the queue or stream is given by its URL or ARN, which names it.",
        names_place=True,
        max_length=64,
        example="eu-north-1",
    ),
    Setting(
        "endpoint_url",
        "Endpoint",
        "URL of a compatible service, or of an interface VPC endpoint; empty: the endpoint of AWS in the region.",
        names_place=True,
        example="https://vpce-0a1b2c.sqs.eu-north-1.vpce.amazonaws.com",
    ),
    Setting(
        ACCESS_KEY,
        "Access key ID",
        "Access key of an IAM user or role that may read the queue or stream.",
        is_required=True,
        max_length=128,
        is_credential=True,
        example="AKIAIOSFODNN7EXAMPLE",
    ),
    Setting(SECRET_KEY, "Secret access key", "Secret of the access key.", is_required=True, is_credential=True),
    Setting(TOKEN, "Session token", "Session token of temporary credentials.", max_length=4096, is_credential=True),
)
ENDPOINT = "settings.endpoint_url"
REGION_SETTING = "settings.region"
CALL_SECONDS = 5.0
MAX_RESPONSE = 32 * 1024**2  # bytes: 10 MiB of records, as base64 or escaped
MAX_EXPLANATION = 300  # characters

_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]+")
_SETTINGS: Mapping[str, str] = {  # by the error's name without Exception
    "UnrecognizedClient": f"credentials.{ACCESS_KEY}",
    "InvalidClientTokenId": f"credentials.{ACCESS_KEY}",
    "InvalidAccessKeyId": f"credentials.{ACCESS_KEY}",
    "IncompleteSignature": f"credentials.{ACCESS_KEY}",
    "MissingAuthenticationToken": f"credentials.{ACCESS_KEY}",
    "AccessDenied": f"credentials.{ACCESS_KEY}",
    "OptInRequired": f"credentials.{ACCESS_KEY}",
    "SignatureDoesNotMatch": f"credentials.{SECRET_KEY}",
    "InvalidSignature": f"credentials.{SECRET_KEY}",
    "ExpiredToken": f"credentials.{TOKEN}",
    "InvalidToken": f"credentials.{TOKEN}",
}
_SLOWER = ("Throttl", "ProvisionedThroughputExceeded", "LimitExceeded", "TooManyRequests", "SlowDown")


class AwsError(SourceUnavailable):
    """The API responded with an error; ``code`` is its name without its namespace and the suffix Exception."""

    def __init__(self, code: str, message: str, setting: str) -> None:
        super().__init__(message, setting)
        self.code = code


class AwsApi:
    """Call the operations of one service. ``prefix``: of their names; ``version``: of the JSON protocol.

    ``place`` is the setting of the queue or stream, which an error about a missing resource is about.
    """

    def __init__(
        self, connection: Connection, service: str, prefix: str, version: str, region: str, place: str
    ) -> None:
        self._connection = connection
        self._prefix, self._place = prefix, place
        self._content_type = f"application/x-amz-json-{version}"
        given_url = connection.settings.get("endpoint_url")
        self.url = given_url or endpoint(service, region)
        self._host_setting = ENDPOINT if given_url else REGION_SETTING
        given = connection.credentials
        credentials = AwsCredentials(
            given.get(ACCESS_KEY, "").strip(),
            given.get(SECRET_KEY, "").strip(),
            region,
            service,
            given.get(TOKEN, "").strip(),
        )
        self._signer = AwsSigner(credentials, self.url)

    def start(self, operation: str, request: Mapping[str, Any], timeout: float | None = None) -> "Future[CallResponse]":
        """Start a call; ``result`` waits for it. ``timeout``: in seconds; CALL_SECONDS if None."""
        body = orjson.dumps(request)
        headers = {"content-type": self._content_type, "x-amz-target": f"{self._prefix}.{operation}"}
        headers |= self._signer.sign(headers, body, time.time())
        seconds = CALL_SECONDS if timeout is None else timeout
        return start_request(self._connection, self.url, headers, body, timeout=seconds, max_response=MAX_RESPONSE)

    def result(self, future: "Future[CallResponse]") -> dict[str, Any]:
        """Return the result of a call. Raises AwsError, Busy, SourceUnavailable."""
        response = response_of(future, self._host_setting)
        document = _document(response.body)
        if response.status != 200:
            raise self._error(response, document or {})
        if document is None:
            raise SourceUnavailable("The service responded with something other than a JSON object.", ENDPOINT)
        return document

    def call(self, operation: str, request: Mapping[str, Any], timeout: float | None = None) -> dict[str, Any]:
        """Make a call. Raises AwsError, Busy, SourceUnavailable."""
        return self.result(self.start(operation, request, timeout))

    def _error(self, response: CallResponse, document: Mapping[str, Any]) -> SourceUnavailable:
        written = str(document.get("__type") or response.headers.get("x-amzn-errortype") or "")
        name = written.rpartition("#")[2].partition(":")[0]
        code = name.rpartition(".")[2].removesuffix("Exception")
        explanation = str(document.get("message") or document.get("Message") or "")[:MAX_EXPLANATION]
        if code.startswith(_SLOWER):
            return Busy(f"The service asks for fewer calls: {code}.")
        if not code:
            return AwsError(code, f"The service responded with status {response.status}.", ENDPOINT)
        setting = _SETTINGS.get(code, "")
        if code in ("SignatureDoesNotMatch", "InvalidSignature"):
            return AwsError(code, "The secret access key is wrong: the signature does not match.", setting)
        if "DoesNotExist" in code or code in ("NonExistentQueue", "ResourceNotFound"):
            setting = f"settings.{self._place}"
        return AwsError(code, f"{code}: {explanation}" if explanation else f"{code}.", setting)


def _document(body: bytes) -> dict[str, Any] | None:
    """Return a JSON object; None if it is something else. An unpaired surrogate, which orjson refuses, stays."""
    for parse_json in (orjson.loads, json.loads):
        try:
            document = parse_json(body)
        except (ValueError, RecursionError):
            continue
        return document if isinstance(document, dict) else None
    return None


def endpoint(service: str, region: str) -> str:
    """Return the endpoint of a service of AWS."""
    return f"https://{service}.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}/"


def check_place(connection: Connection, region: str) -> None:
    """Check region and endpoint. Raises InvalidSettings."""
    problems = {}
    if not region:
        problems["settings.region"] = "Is required, unless the URL or ARN names it."
    elif not connection.settings.get("endpoint_url") and not _REGION.fullmatch(region):
        problems["settings.region"] = "Must be the name of a region, such as eu-north-1."
    if url := connection.settings.get("endpoint_url"):
        problems |= url_problem(url, ENDPOINT)
    if problems:
        raise InvalidSettings(problems)
