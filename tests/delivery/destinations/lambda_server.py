"""Serve the Invoke API of AWS Lambda and function URLs, and check each signature with the vendor's signer.

A server of AWS's own protocols that runs functions needs containers, so this one records what functions would get.
"""

import json
import re
import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

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


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    lambdas: LambdaServer

    def do_GET(self) -> None:
        self._handle(b"")

    def do_POST(self) -> None:
        self._handle(self.rfile.read(int(self.headers["content-length"])))

    def _handle(self, body: bytes) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        needs_signature = not self.path.startswith("/open/")
        if needs_signature and not is_signed(f"http://{headers['host']}{self.path}", self.command, headers, body):
            self._fail(403, "InvalidSignatureException", "The signature does not match.")
            return
        parts = unquote(self.path).strip("/").split("/")
        name, action = (parts[2], parts[3]) if parts[0] == "2015-03-31" else (parts[1], "url")
        if name not in self.lambdas.functions:
            self._fail(404, "ResourceNotFoundException", "Function not found")
        elif action == "configuration":
            self._answer(200, {}, b'{"State": "Active"}')
        else:
            attributes = headers
            if context := headers.get("x-amz-client-context"):
                attributes = json.loads(b64decode(context))["custom"]
            self.lambdas.functions[name].append(Received(body, attributes))
            is_async = headers.get("x-amz-invocation-type") == "Event"
            self._answer(*self.lambdas.answers.get(name, (202 if is_async else 200, {}, b"" if is_async else b"null")))

    def _fail(self, status: int, code: str, text: str) -> None:
        body = json.dumps({"Type": "User", "Message": text}).encode()
        self._answer(status, {"x-amzn-ErrorType": code}, body)

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Write nothing."""


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
    handler = type("Handler", (_Handler,), {"lambdas": lambdas})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        lambdas.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield lambdas
        finally:
            server.shutdown()
            thread.join()
