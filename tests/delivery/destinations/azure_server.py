"""Serve what Service Bus, Event Grid and the identity platform of Azure document of their REST APIs.

Signatures, keys and tokens are checked as the vendor describes it; the signature is computed here from the parts of the
header, not by the code that made it.
"""

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus, unquote, unquote_plus

from tests.delivery.destinations.api_server import ApiRequest, Response, api_server
from tests.delivery.destinations.battery import Received

DIRECTORY, CLIENT, CLIENT_SECRET = "72f988bf-86f1-41af-91ab-2d7cd011db47", "app-1", "s3cr3t~of/the+application"
POLICIES = {"send": ("key/of+the=sender", {"Send"}), "root": ("key/of+root==", {"Send", "Manage"})}
TOPIC_KEY, SAS_TOKEN = "key+of/the=topic", "r=https%3a%2f%2ftopic&e=1%2f1%2f2099&s=c2lnbmF0dXJl"
_SAS = re.compile(r"SharedAccessSignature sr=([^&]+)&sig=([^&]+)&se=(\d+)&skn=([^&]+)")
FEED = b'<feed xmlns="http://www.w3.org/2005/Atom"><title>Publicly Listed Services</title></feed>'
ENTRY = b'<entry xmlns="http://www.w3.org/2005/Atom"><title>%s</title><QueueDescription /></entry>'


@dataclass
class AzureServer:
    """Hold the messages of queues and topics of one namespace, and the events of topics of Event Grid.

    ``tokens``: by text, for which scope each was issued. ``answers``: the next responses, instead of the right one.
    """

    url: str = ""
    queues: dict[str, list[Received]] = field(default_factory=dict)
    topics: dict[str, list[bytes]] = field(default_factory=dict)
    requests: list[ApiRequest] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=dict)
    answers: list[Response] = field(default_factory=list)

    def respond(self, request: ApiRequest) -> Response:
        if request.path == f"/login/{DIRECTORY}/oauth2/v2.0/token":
            return self._token(request.form)
        self.requests.append(request)
        if self.answers:
            return self.answers.pop(0)
        if request.path.startswith("/events/"):
            return self._events(request)
        name = unquote(request.path).removeprefix("/").removesuffix("/messages")
        return self._messages(request, name) if request.method == "POST" else self._entity(request, name)

    def _token(self, form: dict[str, str]) -> Response:
        assert form["grant_type"] == "client_credentials"
        if (form["client_id"], form["client_secret"]) != (CLIENT, CLIENT_SECRET):
            return 401, {"error": "invalid_client"}
        token = f"token-{len(self.tokens)}"
        self.tokens[token] = form["scope"]
        return 200, {"token_type": "Bearer", "expires_in": 3599, "access_token": token}

    def _claims(self, request: ApiRequest, entity: str) -> set[str]:
        """Return what the credentials of a request allow; empty if they are not valid."""
        text = request.headers.get("authorization", "")
        if self.tokens.get(text.removeprefix("Bearer ")) == "https://servicebus.azure.net/.default":
            return {"Send"}
        if (found := _SAS.fullmatch(text)) is None:
            return set()
        resource, signature, expiry, name = found.groups()
        key, claims = POLICIES.get(unquote_plus(name), ("", set()))
        expected = base64.b64encode(hmac.new(key.encode(), f"{resource}\n{expiry}".encode(), hashlib.sha256).digest())
        is_signed = hmac.compare_digest(quote_plus(expected), signature)
        is_for_entity = unquote_plus(resource) == f"http://{request.headers['host']}/{entity}"
        return claims if is_signed and is_for_entity and time.time() < int(expiry) < time.time() + 86_400 else set()

    def _entity(self, request: ApiRequest, name: str) -> Response:
        claims = self._claims(request, name)
        if not claims:
            return 401, b"<Error><Code>401</Code><Detail>claim is empty or token is invalid.</Detail></Error>"
        if "Manage" not in claims:
            text = b"Manage,EntityRead claims required for this operation."
            return 401, b"<Error><Code>401</Code><Detail>" + text + b"</Detail></Error>"
        return 200, ENTRY % name.encode() if name in self.queues else FEED

    def _messages(self, request: ApiRequest, name: str) -> Response:
        if "Send" not in self._claims(request, name):
            return 401, b"<Error><Code>401</Code><Detail>InvalidSignature</Detail></Error>"
        if name not in self.queues:
            return 410, b"<Error><Code>410</Code><Detail>The queue or topic does not exist.</Detail></Error>"
        if request.headers["content-type"] != "application/vnd.microsoft.servicebus.json":
            return 400, b"<Error><Code>400</Code></Error>"
        messages: list[dict[str, Any]] = json.loads(request.body)
        if len({it["BrokerProperties"].get("SessionId") for it in messages}) != 1:
            return 400, b"<Error><Code>400</Code><Detail>Messages of a batch must have one SessionId.</Detail></Error>"
        stored = self.queues[name]
        seen = {it.attributes["MessageId"] for it in stored}
        for it in messages:
            properties = it["BrokerProperties"]
            if properties["MessageId"] not in seen:  # duplicate detection is on
                attributes = {**it["UserProperties"], "MessageId": properties["MessageId"]}
                stored.append(Received(it["Body"].encode(), attributes, properties.get("SessionId")))
        return 201, b""

    def _events(self, request: ApiRequest) -> Response:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        is_known = (
            request.headers.get("aeg-sas-key") == TOPIC_KEY
            or request.headers.get("aeg-sas-token") == SAS_TOKEN
            or self.tokens.get(token) == "https://eventgrid.azure.net/.default"
        )
        if not is_known:
            return 401, {"error": {"code": "Unauthorized", "message": "The request authorization key is not valid."}}
        if request.path not in self.topics:
            return 404, {"error": {"code": "NotFound", "message": "The topic does not exist."}}
        assert request.query == {"api-version": "2018-01-01"}
        if request.headers["content-type"] != "application/cloudevents-batch+json; charset=utf-8":
            return 415, {"error": {"code": "UnsupportedMediaType"}}
        events = json.loads(request.body)
        if any(not {"specversion", "id", "source", "type"} <= it.keys() for it in events):
            return 400, {"error": {"code": "BadRequest", "message": "This resource is configured for CloudEvents."}}
        self.topics[request.path] += [json.dumps(it).encode() for it in events]
        return 200, b""


@contextmanager
def azure_server() -> Iterator[AzureServer]:
    """Run a server."""
    state = AzureServer()
    with api_server(state.respond) as url:
        state.url = url
        yield state
