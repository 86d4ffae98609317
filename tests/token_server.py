"""An OAuth2 token server on loopback: client credentials (RFC 6749, section 4.4), a new token for each request."""

import json
from base64 import b64decode
from urllib.parse import parse_qs, unquote_plus

from tests.receiver import Answer, Exchange, Receiver, status

CLIENT, SECRET = "way:post", "hunter 2&"


class TokenServer:
    """``asked`` holds the forms it was sent; ``life`` is what it says about a token's life, in seconds."""

    def __init__(self, receiver: Receiver, life: int | None = 3600) -> None:
        self.asked: list[dict[str, str]] = []
        self.life = life
        self.path = "/token"
        self.url = receiver.script(self.path, self._answer)
        self._receiver = receiver

    def credentials(self, **more: str) -> dict[str, str]:
        return {"type": "oauth2", "token_url": self.url, "client_id": CLIENT, "client_secret": SECRET, **more}

    def answers(self, *answers: int | Answer) -> None:
        self._receiver.script(self.path, *answers)

    def recovers(self) -> None:
        self._receiver.script(self.path, self._answer)

    def _answer(self, exchange: Exchange) -> None:
        body = self._receiver.at(self.path)[-1].body.decode()
        form = {name: values[0] for name, values in parse_qs(body, strict_parsing=True).items()}
        given = exchange.headers["authorization"]
        if given:
            pair = b64decode(given.removeprefix("Basic ")).decode().split(":")
            form["client_id"], form["client_secret"] = map(unquote_plus, pair)
        self.asked.append(form)
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT, SECRET):
            status(401)(exchange)
            return
        said = {"access_token": f"token-{len(self.asked)}", "token_type": "Bearer", "expires_in": self.life}
        status(200, json.dumps({name: it for name, it in said.items() if it is not None}).encode())(exchange)
