"""Serve documents that do not change while the process runs: they are built once, compressed once, and tagged."""

import gzip
from collections.abc import Callable
from functools import cached_property

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseNotModified

from webhooks.wire.etags import etag_of, is_none_match

MAX_AGE = 300  # seconds until a client asks again, by its entity tag


class FixedPage:
    """A view that responds with the result of ``build``, as gzip where the client accepts it (RFC 9110, 12.5.3)."""

    def __init__(self, build: Callable[[], bytes], content_type: str) -> None:
        self._build = build
        self._content_type = content_type

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Respond to GET and HEAD; 304 to a client that has this document."""
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        coding = "gzip" if "gzip" in request.headers.get("Accept-Encoding", "").lower() else ""
        body, tag = self._codings[coding]
        headers = {"ETag": tag, "Cache-Control": f"public, max-age={MAX_AGE}", "Vary": "Accept-Encoding"}
        known = request.headers.get("If-None-Match")
        if known is not None and not is_none_match(known, tag):
            return HttpResponseNotModified(headers=headers)
        if coding:
            headers["Content-Encoding"] = coding
        return HttpResponse(body, content_type=self._content_type, headers=headers)

    def clear(self) -> None:
        """Forget the document, so that the next request builds it. For tests, which change settings."""
        self.__dict__.pop("_codings", None)

    @cached_property
    def _codings(self) -> dict[str, tuple[bytes, str]]:
        """Return by content coding the body and its entity tag, which differ between codings."""
        plain = self._build()
        packed = gzip.compress(plain, mtime=0)
        return {"": (plain, etag_of(plain)), "gzip": (packed, etag_of(packed))}
