"""Serve the Invoke API of AWS Lambda and function URLs, and check each signature with the vendor's signer.

A server of AWS's own protocols that runs functions needs containers, so this one records what functions would get.
"""

import json
import re
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.delivery.destinations.api_server import ApiRequest, Response, api_server
from tests.delivery.destinations.battery import Received

REGION = "eu-north-1"
KEY_ID, SECRET = "AKIAIOSFODNN7EXAMPLE", "secret/of+the/key"
_CREDENTIAL = re.compile(r"Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, SignedHeaders=([^,]+), ")


@dataclass
class LambdaServer:
    """Functions by name, with what each got. ``answers``: status, headers and body of the next invocations."""

    url: str = ""
    functions: dict[str, list[Received]] = field(default_factory=dict)
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)

    def respond(self, request: ApiRequest) -> Response:
        headers = dict(request.headers)
        needs_signature = not request.path.startswith("/open/")
        url = f"http://{headers['host']}{request.path}"
        if needs_signature and not is_signed(url, request.method, headers, request.body):
            return _failed(403, "InvalidSignatureException", "The signature does not match.")
        parts = unquote(request.path).strip("/").split("/")
        name, action = (parts[2], parts[3]) if parts[0] == "2015-03-31" else (parts[1], "url")
        if name not in self.functions:
            return _failed(404, "ResourceNotFoundException", "Function not found")
        if action == "configuration":
            return 200, {"State": "Active"}
        attributes = headers
        if context := headers.get("x-amz-client-context"):
            attributes = json.loads(b64decode(context))["custom"]
        self.functions[name].append(Received(request.body, attributes))
        is_async = headers.get("x-amz-invocation-type") == "Event"
        status, own, body = self.answers.get(name, (202 if is_async else 200, {}, b"" if is_async else b"null"))
        return status, body, own


def _failed(status: int, code: str, text: str) -> Response:
    return status, {"Type": "User", "Message": text}, {"x-amzn-ErrorType": code}


def is_signed(url: str, method: str, headers: dict[str, str], body: bytes) -> bool:
    """Tell whether a request has the signature that the vendor's signer makes."""
    found = _CREDENTIAL.search(headers.get("authorization", ""))
    if found is None or found[1] != KEY_ID or found[4] != "lambda" or found[3] != REGION:
        return False
    signed = {name: headers[name] for name in found[5].split(";") if name not in ("host", "x-amz-date")}
    request = AWSRequest(method, url, headers=signed, data=body)
    signer = SigV4Auth(Credentials(KEY_ID, SECRET), found[4], found[3])
    request.context["timestamp"] = headers["x-amz-date"]
    request.headers["X-Amz-Date"] = headers["x-amz-date"]
    text = signer.string_to_sign(request, signer.canonical_request(request))
    return headers["authorization"].endswith(f"Signature={signer.signature(text, request)}")


@contextmanager
def lambda_server() -> Iterator[LambdaServer]:
    """Start the server."""
    lambdas = LambdaServer()
    with api_server(lambdas.respond) as url:
        lambdas.url = url
        yield lambdas
