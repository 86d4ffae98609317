"""The platform from outside: its REST API with a tenant's key, and nothing that a stranger would not have."""

import json
from collections.abc import Iterator
from typing import Any

import requests

__all__ = ["Refused", "Stranger", "answers"]

PAGE = 250  # rows, the most a page has
WITHIN = 60.0  # seconds for one answer
BATCH = "application/cloudevents-batch+json"


class Refused(Exception):
    """The platform said no; the message is one line with its reason."""


class Stranger:
    """Somebody who has the address and a key."""

    def __init__(self, address: str, key: str) -> None:
        self._api = f"{address}/api/v1"
        self._session = _session()
        self._session.headers["Authorization"] = f"Bearer {key}"

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self._call("GET", path, params=query).json()
        return answer

    def post(self, path: str, body: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self._call("POST", path, json=body).json()
        return answer

    def patch(self, path: str, body: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self._call("PATCH", path, json=body).json()
        return answer

    def raw(self, path: str) -> bytes:
        """The answer's body, byte for byte."""
        return self._call("GET", path).content

    def rows(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """Every row of a list, newest first, page by page."""
        page = self.get(path, limit=PAGE, **query)
        while True:
            yield from page["data"]
            if not page["next"]:
                return
            page = self._call("GET", page["next"]).json()

    def publish(self, events: list[str]) -> list[dict[str, Any]]:
        """Publish CloudEvents, given as JSON, in one batch. What became of each, in order."""
        body = f"[{','.join(events)}]".encode()
        answer = self._send("POST", "events/", data=body, headers={"Content-Type": BATCH})
        results = answer.json().get("data")
        if results is None:
            raise Refused(_reason(answer))
        return list(results)

    def event(self, event_id: str) -> bytes:
        """An event as it is stored, and sent: it is the last member of the answer, as it stands."""
        answer = self.raw(f"events/{event_id}/")
        return answer[answer.index(b'"event":') + len(b'"event":') : answer.rindex(b"}")]

    def _call(self, method: str, path: str, **options: Any) -> requests.Response:
        answer = self._send(method, path, **options)
        if not answer.ok:
            raise Refused(f"{method} {path}: {_reason(answer)}")
        return answer

    def _send(self, method: str, path: str, **options: Any) -> requests.Response:
        url = path if path.startswith("http") else f"{self._api}/{path}"
        try:
            return self._session.request(method, url, timeout=WITHIN, allow_redirects=False, **options)
        except requests.RequestException as error:
            raise Refused(f"{method} {path}: no answer ({type(error).__name__})") from None


def answers(url: str) -> bool:
    """Whether a GET there is answered with 200, now."""
    try:
        with _session() as session:
            return session.get(url, timeout=1.0).status_code == 200
    except requests.RequestException:
        return False


def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # no proxy stands between us and ourselves
    return session


def _reason(answer: requests.Response) -> str:
    try:
        problem = answer.json()
    except json.JSONDecodeError:
        return f"status {answer.status_code}"
    return f"{problem.get('status')} {problem.get('detail')}"
