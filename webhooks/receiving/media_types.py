"""Which kinds of content a source takes: media types as ``application/json`` or ``text/*``. Pure."""

import re
from collections.abc import Sequence

MAX_MEDIA_TYPES = 20  # media types a source may list
_NAME = r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}"  # RFC 6838, section 4.2
RANGE = re.compile(rf"{_NAME}/({_NAME}|\*)")


class UnacceptedMediaType(Exception):
    """The source does not take content of this type."""


def check_media_type(taken: Sequence[str], content_type: str) -> None:
    """Raise NotTaken unless the type (parameters and case do not count) is one of those taken; none listed: all are."""
    if not taken:
        return
    media_type = content_type.partition(";")[0].strip().lower()
    family = media_type.partition("/")[0] + "/*"
    if media_type not in taken and (family not in taken or "/" not in media_type):
        raise UnacceptedMediaType(f"The source takes {', '.join(taken)}, and this came as {media_type or 'nothing'}.")
