"""Call the platform's REST API from outside, with the platform key of a backend, for one of its customers."""

from collections.abc import Iterator
from typing import Any

import requests

PAGE = 250  # rows, the most one page has
TIMEOUT = 60.0  # seconds for one response
LONGEST_REASON = 500  # characters


class ApiError(Exception):
    """The platform refused a request; the message is one line with the reason."""


class ApiClient:
    """Access to the API at `address`, for one tenant, named by its uid; empty: none."""

    def __init__(self, address: str, key: str, tenant: str = "") -> None:
        self._root = f"{address}/api/v1"
        self.tenant = tenant
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy on the way to this machine
        self._session.headers["Authorization"] = f"Bearer {key}"
        if tenant:
            self._session.headers["Waypost-Tenant"] = tenant

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send a request to a path of the API, or to a whole URL. Raises ApiError."""
        url = path if path.startswith("http") else f"{self._root}/{path}"
        try:
            response = self._session.request(method, url, timeout=TIMEOUT, allow_redirects=False, **options)
        except requests.RequestException as error:
            raise ApiError(f"{method} {path}: no response ({type(error).__name__})") from None
        if not response.ok:
            raise ApiError(f"{method} {path}: {response.status_code} {response.text[:LONGEST_REASON]}")
        return response

    def get(self, path: str, **query: Any) -> Any:
        """Return the JSON of a GET response."""
        return self.call("GET", path, params=query).json()

    def post(self, path: str, body: Any) -> Any:
        """Return the JSON of the response to a POST of `body`."""
        return self.call("POST", path, json=body).json()

    def rows(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """Yield every row of a list, page by page."""
        page = self.get(path, limit=PAGE, **query)
        yield from page["data"]
        while page["next"]:
            page = self.get(page["next"])
            yield from page["data"]

    def publish(self, event: str) -> dict[str, Any]:
        """Publish a CloudEvent given as JSON. Returns its id and whether it is a duplicate."""
        headers = {"Content-Type": "application/cloudevents+json"}
        result: dict[str, Any] = self.call("POST", "events/", data=event.encode(), headers=headers).json()
        return result

    def stored_event(self, event_id: str) -> bytes:
        """Return the event as it is stored and sent: the last member of the response, byte for byte."""
        body = self.call("GET", f"events/{event_id}/").content
        return body[body.index(b'"event":') + len(b'"event":') : body.rindex(b"}")]
