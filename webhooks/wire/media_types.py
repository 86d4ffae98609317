"""Match the media types a source accepts, such as ``application/json`` or ``text/*``, and check others. Pure."""

import re
from collections.abc import Sequence

MAX_MEDIA_TYPES = 20  # per source
_NAME = r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}"  # RFC 6838, section 4.2
_WORD = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_PARAMETER = rf'[ \t]*;[ \t]*{_WORD}=(?:{_WORD}|"[ !#-\[\]-~]*")'
CONTENT_TYPE = re.compile(rf"{_NAME}/{_NAME}(?:{_PARAMETER})*", re.IGNORECASE)  # RFC 9110, section 8.3.1
MAX_CONTENT_TYPE = 256  # characters
RANGE = re.compile(rf"{_NAME}/({_NAME}|\*)")


class UnacceptedMediaType(Exception):
    """The source does not accept this media type."""


def check_media_type(accepted: Sequence[str], content_type: str) -> None:
    """Raise UnacceptedMediaType unless the list is empty or has the media type; parameters and case are ignored."""
    if not accepted:
        return
    media_type = content_type.partition(";")[0].strip().lower()
    family = media_type.partition("/")[0] + "/*"
    if media_type not in accepted and (family not in accepted or "/" not in media_type):
        raise UnacceptedMediaType(f"Media type {media_type or '(none)'} is not one of {', '.join(accepted)}.")


def is_content_type(text: object) -> bool:
    """Return whether this is a media type with its parameters, such as ``text/csv; charset=utf-8``."""
    return isinstance(text, str) and len(text) <= MAX_CONTENT_TYPE and CONTENT_TYPE.fullmatch(text) is not None
