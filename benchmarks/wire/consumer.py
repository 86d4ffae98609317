"""Pull the messages of an endpoint and acknowledge them, one request after the other: one consumer, in a thread."""

import http.client
import threading
from contextlib import closing
from typing import Any, Self

import orjson

LIMIT, WAIT = (250, 1)  # messages of a response; seconds that the server may wait for the first one


class PullingConsumer:
    """Fetch messages and acknowledge all of each response, while the context is open."""

    def __init__(self, port: int, api_key: str, endpoint: str) -> None:
        """``endpoint``: its id or ``uid``."""
        self._port, self._path = port, f"/api/v1/endpoints/{endpoint}"
        self._headers = {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"}
        self._fetched = 0
        self._error: Exception | None = None
        self._is_ending = False
        self._thread = threading.Thread(target=self._run, name="consumer", daemon=True)

    @property
    def fetched(self) -> int:
        """Return how many messages were fetched, repeats included. Raises what ended the consumer.

        A message is counted before it is acknowledged: where nothing is pending any more, the number is complete.
        """
        if self._error is not None:
            raise self._error
        return self._fetched

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_ending = True
        self._thread.join()

    def _run(self) -> None:
        try:
            with closing(http.client.HTTPConnection("127.0.0.1", self._port)) as line:
                while not self._is_ending:
                    self._turn(line)
        except Exception as error:  # raised by ``fetched``
            self._error = error

    def _turn(self, line: http.client.HTTPConnection) -> None:
        found = self._ask(line, "GET", f"messages/?limit={LIMIT}&wait={WAIT}")
        ids = [it["id"] for it in found["messages"]]
        if not ids:
            return
        self._fetched += len(ids)
        results = self._ask(line, "POST", "acknowledgements/", orjson.dumps({"acknowledged": ids}))["results"]
        if refused := [it for it in results if it["result"] != "acknowledged"]:
            raise RuntimeError(f"not acknowledged: {refused[0]}")

    def _ask(self, line: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None) -> Any:
        line.request(method, f"{self._path}/{path}", body, self._headers)
        response = line.getresponse()
        content = response.read()
        if response.status != 200:
            raise RuntimeError(f"{method} {path}: {response.status} {content[:200].decode('utf-8', 'replace')}")
        return orjson.loads(content)
