"""Define what rows share: a UUIDv7 key, shown outside as a TypeID, the time of creation, rules about uids and types."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unicodedata import category

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import IntegrityError, models, transaction
from django.utils import timezone
from psycopg.errors import UniqueViolation

from webhooks.wire.ids import new_id, public

uid_format = RegexValidator(
    r"\A[A-Za-z0-9._-]{1,256}\Z", "A uid is 1 to 256 letters, digits, hyphens, underscores and full stops."
)
UID_IN_USE = "This uid is already in use."
CONTROL_CATEGORIES = {"Cc", "Cs"}  # of Unicode: control characters and unpaired surrogates


def find_by_uid(rows: models.QuerySet[Any], uid: str) -> models.QuerySet[Any]:
    """Return the row with this uid; none where the model has no uids."""
    return rows.filter(uid=uid) if hasattr(rows.model, "uid") else rows.none()


def is_uid(text: str) -> bool:
    """Return whether the text has the format of a uid."""
    try:
        uid_format(text)
    except ValidationError:
        return False
    return True


@contextmanager
def unique_uid(already_exists: Callable[[], Exception]) -> Iterator[None]:
    """Run in a transaction, and raise ``already_exists()`` if it violates a unique constraint.

    The constraint decides between concurrent writers. Any other IntegrityError is raised unchanged.
    """
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        if isinstance(error.__cause__, UniqueViolation):
            raise already_exists() from None
        raise


def has_control_characters(text: str) -> bool:
    """Return whether the text contains control characters (NUL cannot be stored) or unpaired surrogates."""
    return any(category(character) in CONTROL_CATEGORIES for character in text)


def is_type_prefix(pattern: str) -> bool:
    """Return whether a filter by event type selects all types below one (``order.*``), or all (``*``)."""
    return pattern == "*" or pattern.endswith(".*")


def matches_type(column: str, pattern: str) -> models.Q:
    """Return the condition for an event type: exact, all below one (``order.*``), or all (``*``)."""
    if pattern == "*":
        return models.Q()
    return models.Q(**{f"{column}__startswith": pattern[:-1]} if is_type_prefix(pattern) else {column: pattern})


class KeyedRow(models.Model):
    """A row with a UUIDv7 key, shown outside as a TypeID with the table's prefix."""

    prefix = ""
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)

    class Meta:
        abstract = True

    @property
    def public_id(self) -> str:
        """Return the id as it is shown outside: prefix and TypeID."""
        return public(self.prefix, self.id)


class Row(KeyedRow):
    """A keyed row with its time of creation."""

    created_at = models.DateTimeField(default=timezone.now, editable=False, help_text="When it was created.")

    class Meta:
        abstract = True
