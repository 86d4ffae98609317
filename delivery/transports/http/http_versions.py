"""Remember which URLs have responded with HTTP/2, and which require HTTP/1.1.

A server that requires HTTP/1.1 says so by refusing a request over HTTP/2. It is then called with HTTP/1.1 for an hour,
so that not every request is sent twice.
"""

import time

REQUIRED_FOR = 3_600.0  # seconds
MAX_KNOWN = 20_000  # URLs of either kind; beyond that all are dropped and found out again


class HttpVersions:
    """Hold the URLs of either kind for one sender. ``some_require_http_1``: whether any URL requires HTTP/1.1."""

    def __init__(self) -> None:
        self.some_require_http_1 = False
        self._speaking_http_2: set[str] = set()
        self._requiring_http_1: dict[str, float] = {}  # until when, in monotonic seconds

    def speaks_http_2(self, url: str) -> bool:
        """Return whether a response from this URL was HTTP/2."""
        return url in self._speaking_http_2

    def requires_http_1(self, url: str) -> bool:
        """Return whether this URL is to be called with HTTP/1.1."""
        return self._requiring_http_1.get(url, 0.0) > time.monotonic()

    def on_http_2(self, url: str) -> None:
        """Note that a response from this URL was HTTP/2."""
        if len(self._speaking_http_2) >= MAX_KNOWN:
            self._speaking_http_2.clear()
        self._speaking_http_2.add(url)

    def on_http_1_required(self, url: str) -> None:
        """Note that this URL requires HTTP/1.1."""
        if len(self._requiring_http_1) >= MAX_KNOWN:
            self._requiring_http_1.clear()
        self.some_require_http_1 = True
        self._requiring_http_1[url] = time.monotonic() + REQUIRED_FOR
