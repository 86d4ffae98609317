"""A uid names one row: whoever comes second is told so by the database, not by a look beforehand."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import IntegrityError
from psycopg.errors import UniqueViolation

from subscriptions.errors import AlreadyExists

__all__ = ["one_row_per_uid"]


@contextmanager
def one_row_per_uid() -> Iterator[None]:
    """Around a transaction that writes a uid: raises Taken naming `uid` if another row has it."""
    try:
        yield
    except IntegrityError as error:
        if isinstance(error.__cause__, UniqueViolation):
            raise AlreadyExists("uid", "Another one has this uid.") from None
        raise
