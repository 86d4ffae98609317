"""Serve OAuth 2.0 client credentials on loopback (RFC 6749, section 4.4), with a new token for each request."""

import json
from base64 import b64decode
from urllib.parse import parse_qs, unquote_plus

from tests.receiver import Exchange, Receiver, Respond, status

CLIENT, SECRET = "way:post", "hunter 2&"


class TokenServer:
    """Record the forms of all requests in ``forms``; issue tokens with a lifetime of ``life`` seconds."""

    def __init__(self, receiver: Receiver, life: int | None = 3600) -> None:
        self.forms: list[dict[str, str]] = []
        self.life = life
        self.path = "/token"
        self.url = receiver.script(self.path, self._respond)
        self._receiver = receiver

    def credentials(self, **more: str) -> dict[str, str]:
        return {"type": "oauth2", "token_url": self.url, "client_id": CLIENT, "client_secret": SECRET, **more}

    def respond_with(self, *responses: int | Respond) -> None:
        self._receiver.script(self.path, *responses)

    def recover(self) -> None:
        self._receiver.script(self.path, self._respond)

    def _respond(self, exchange: Exchange) -> None:
        body = self._receiver.at(self.path)[-1].body.decode()
        form = {name: values[0] for name, values in parse_qs(body, strict_parsing=True).items()}
        given = exchange.headers["authorization"]
        if given:
            pair = b64decode(given.removeprefix("Basic ")).decode().split(":")
            form["client_id"], form["client_secret"] = map(unquote_plus, pair)
        self.forms.append(form)
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT, SECRET):
            status(401)(exchange)
            return
        token = {"access_token": f"token-{len(self.forms)}", "token_type": "Bearer", "expires_in": self.life}
        status(200, json.dumps({name: it for name, it in token.items() if it is not None}).encode())(exchange)
