"""Unique external ids: a uid names one row, and the database's unique constraint decides between concurrent writers.

Failure: a uid that another row has raises the caller's own error; any other IntegrityError is raised unchanged.

Used for tenants, plans and endpoints (``subscriptions``) and for sources (``webhooks.api``).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import IntegrityError, transaction
from psycopg.errors import UniqueViolation

UID_IN_USE = "This uid is already in use."


@contextmanager
def unique_uid(already_exists: Callable[[], Exception]) -> Iterator[None]:
    """Run in a transaction, and raise ``already_exists()`` if it violates a unique constraint."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        if isinstance(error.__cause__, UniqueViolation):
            raise already_exists() from None
        raise
