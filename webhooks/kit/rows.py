"""What every row of ours has: a UUIDv7 key, shown outside as a TypeID, and the moment it was made."""

from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone

from webhooks.wire.ids import new_id, public

__all__ = ["Row", "uid_format"]

uid_format = RegexValidator(
    r"\A[A-Za-z0-9._-]{1,256}\Z", "A uid is 1 to 256 letters, digits, hyphens, underscores and full stops."
)


class Row(models.Model):
    """A row with a UUIDv7 key, shown outside as a TypeID with the table's prefix."""

    prefix = ""
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        abstract = True

    @property
    def public_id(self) -> str:
        return public(self.prefix, self.id)
