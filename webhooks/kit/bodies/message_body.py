"""Read the body of a message: decompressed, as a document, as a form, or a few members of it at any size.

A body is read by its headers (names in lower case): ``content-encoding``, and the media type and charset of
``content-type``. All functions raise UnreadableBody if the body is not what the headers say.
"""

from collections.abc import Callable, Iterator, Mapping
from io import BufferedReader, RawIOBase
from typing import IO, Any, TypeVar

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.core.files.uploadhandler import (
    FileUploadHandler,
    MemoryFileUploadHandler,
    SkipFile,
    TemporaryFileUploadHandler,
)
from django.http import QueryDict
from django.http.multipartparser import MultiPartParser, MultiPartParserError
from django.utils.datastructures import MultiValueDict

from webhooks.wire.bodies.charset import is_legacy, utf8_chunks
from webhooks.wire.bodies.content_coding import codings_of, decoded
from webhooks.wire.bodies.form_document import form_document, is_form, is_multipart
from webhooks.wire.bodies.json_document import may_be_rounded, parse_as_written, parse_leniently
from webhooks.wire.bodies.json_selection import RepeatedName, SelectionTooLarge, Wanted, chunks_of, select
from webhooks.wire.cloudevents.grammar import media_type
from webhooks.wire.errors import UnreadableBody

MAX_FORM_BYTES = 32 * 1024**2  # of a form without parts, and of the text fields of one with parts

Headers = Mapping[str, str]
Form = MultiValueDict[str, str]
Files = MultiValueDict[str, Any]  # of UploadedFile
T = TypeVar("T")


def is_plain(headers: Headers) -> bool:
    """Return whether a body is read without decompressing it and without a parser for forms in parts."""
    return not codings_of(headers.get("content-encoding", "")) and not is_multipart(headers.get("content-type", ""))


def read_decoded(headers: Headers, file: IO[bytes], most: int | None = None) -> bytes:
    """Return the rest of a file, decompressed; of one with more than ``most`` bytes a beginning of more than these."""
    body = bytearray()
    for chunk in _decoded(headers, file):
        body += chunk
        if most is not None and len(body) > most:
            break
    return bytes(body)


def parse_document(headers: Headers, body: bytes) -> Any:
    """Return the document of a body that is plain: JSON, or the fields of a form; None if it is neither."""
    if not body:
        return None
    content_type = headers.get("content-type", "")
    try:
        if is_form(content_type):
            return form_document(_urlencoded(headers, body).lists())
        return parse_leniently(body, content_type)
    except UnreadableBody:
        return None


def parse_exact_numbers(headers: Headers, body: bytes) -> Any:
    """Return the document of a body as ``parse_document`` does, with each number as it is written (JsonNumber)."""
    document = parse_document(headers, body)
    if document is None or is_form(headers.get("content-type", "")) or not may_be_rounded(body):
        return document
    return parse_as_written(body, headers.get("content-type", ""))


def select_document(headers: Headers, file: IO[bytes], wanted: Wanted) -> Any:
    """Return the wanted part of the document in a file of any size; a form is read as a whole. See ``select``.

    Of a text whose content type names a legacy charset, UTF-8 is tried first, as for small bodies.
    """
    content_type = headers.get("content-type", "")
    if is_form(content_type):
        return form_document(read_form(headers, file).lists())
    start = file.tell()
    try:
        return select(utf8_chunks(_decoded(headers, file), ""), wanted)
    except (SelectionTooLarge, RepeatedName):
        raise
    except UnreadableBody:
        if not is_legacy(content_type):
            raise
    file.seek(start)
    return select(utf8_chunks(_decoded(headers, file), content_type), wanted)


def read_form(headers: Headers, file: IO[bytes]) -> Form:
    """Return the text fields of a form; files in it are skipped."""
    content_type = headers.get("content-type", "")
    if is_multipart(content_type):
        return _multipart(headers, file, [_SkipFiles()])[0]
    if not is_form(content_type):
        raise UnreadableBody(f"is no form: its content type is {content_type[:100] or 'missing'}")
    body = bytearray()
    for chunk in _decoded(headers, file):
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            raise UnreadableBody(f"is a form of more than {MAX_FORM_BYTES // 1024**2} MiB")
    return _urlencoded(headers, bytes(body))


def read_files(headers: Headers, file: IO[bytes]) -> Files:
    """Return the files in a form; large ones are temporary files on disk."""
    if not is_multipart(headers.get("content-type", "")):
        return MultiValueDict()
    return _multipart(headers, file, [MemoryFileUploadHandler(), TemporaryFileUploadHandler()])[1]


def _decoded(headers: Headers, file: IO[bytes]) -> Iterator[bytes]:
    return decoded(chunks_of(file), headers.get("content-encoding", ""))


def _urlencoded(headers: Headers, body: bytes) -> QueryDict:
    return _as_form(lambda: QueryDict(body, encoding=_charset(headers)))


def _multipart(headers: Headers, file: IO[bytes], handlers: list[FileUploadHandler]) -> tuple[Form, Files]:
    media, separator, parameters = headers.get("content-type", "").partition(";")
    meta = {
        "CONTENT_TYPE": media.lower() + separator + parameters,  # Django's parser compares the media type as it is
        "CONTENT_LENGTH": str(settings.FILE_UPLOAD_MAX_MEMORY_SIZE),
    }
    reader = BufferedReader(_Chunks(_decoded(headers, file)))
    return _as_form(lambda: MultiPartParser(meta, reader, handlers, _charset(headers)).parse())


def _as_form(parse: Callable[[], T]) -> T:
    try:
        return parse()
    except RequestDataTooBig:
        raise UnreadableBody("has fields beyond DATA_UPLOAD_MAX_MEMORY_SIZE") from None
    except SuspiciousOperation:
        raise UnreadableBody("has more fields or files than Django's settings allow") from None
    except (MultiPartParserError, LookupError, ValueError) as error:
        raise error if isinstance(error, UnreadableBody) else UnreadableBody("is not a valid form") from None


def _charset(headers: Headers) -> str:
    declared = media_type(headers.get("content-type", ""))
    return declared.charset if declared is not None and declared.charset else "utf-8"


class _Chunks(RawIOBase):
    """A file over an iterator of chunks."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._left = chunks, b""

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        while not self._left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._left = chunk
        size = min(len(target), len(self._left))
        target[:size], self._left = self._left[:size], self._left[size:]
        return size


class _SkipFiles(FileUploadHandler):
    def new_file(self, *_args: Any, **_kwargs: Any) -> None:
        raise SkipFile

    def receive_data_chunk(self, _raw_data: bytes, _start: int) -> bytes | None:
        return None

    def file_complete(self, _file_size: int) -> None:
        return None
