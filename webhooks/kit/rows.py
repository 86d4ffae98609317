"""Define what all rows share: a UUIDv7 key, shown outside as a TypeID, and the time of creation."""

from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone

from webhooks.wire.ids import new_id, public

__all__ = ["KeyedRow", "Row", "uid_format"]

uid_format = RegexValidator(
    r"\A[A-Za-z0-9._-]{1,256}\Z", "A uid is 1 to 256 letters, digits, hyphens, underscores and full stops."
)


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

    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        abstract = True
