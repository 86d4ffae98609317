"""Define receipts, the stored messages, and rejections, the sample of refused requests.

Pending work is a row: the handlers of a receipt are to run while ``due_at`` is set. A claim moves ``due_at`` into the
future and writes a token, so the receipt of a crashed worker is due again when its claim expires.
"""

from io import BytesIO
from typing import IO, Any, cast

from django.core.files.storage import storages
from django.db import models
from django.db.models import Q, Value
from django.db.models.functions import Now
from django.utils import timezone

from webhooks.kit.bodies import message_body
from webhooks.kit.rows import KeyedRow
from webhooks.sources.models import Source, SourceSecret
from webhooks.wire.bodies.json_document import parse_json


class Receipt(KeyedRow):
    """One stored message, byte for byte as received, and the progress of its handlers.

    The body is in the row (``body``) or, above 64 KiB, in storage under ``body_key`` (claim check).
    """

    class Cause(models.TextChoices):
        EXHAUSTED = "exhausted", "Retries exhausted"
        HANDLER_GAVE_UP = "handler_gave_up", "A handler raised GiveUp"
        CRASHED_WORKER = "crashed_worker", "Crashed its worker repeatedly"
        UNREADABLE_BODY = "unreadable_body", "Its body is not what a handler reads it as"
        TENANT_DELETED = "tenant_deleted", "Its tenant was deleted"

    prefix = "rcp"
    # No constraint in the database: checking it would lock the source's row for every message. Only the sweep deletes
    # sources, and only those without receipts.
    source = models.ForeignKey(Source, models.PROTECT, related_name="receipts", db_index=False, db_constraint=False)
    message_id = models.CharField(
        max_length=256,
        help_text="The sender's id of the message; without one the receipt's own id, or, if the source deduplicates by "
        "content, the SHA-256 of the body.",
    )
    may_repeat = models.BooleanField(
        db_default=False, editable=False, help_text="Whether other receipts may have the same message id."
    )
    event_type = models.CharField(max_length=256, blank=True, help_text="Event type; empty if the message has none.")
    order_key = models.CharField(max_length=256, blank=True, help_text="Receipts of one key are handled in order.")
    secret_id = models.UUIDField(null=True, editable=False, help_text="The source's secret that signed the message.")
    content_type = models.CharField(max_length=256, blank=True, help_text="Content type of the request.")
    headers = models.JSONField(default=dict, help_text="Request headers; credentials are removed.")
    body = models.BinaryField(null=True, help_text="The body; NULL if it is in storage under body_key.")
    body_key = models.CharField(max_length=128, blank=True, help_text="Name of the object in storage.")
    size = models.BigIntegerField(help_text="Size of the body in bytes.")
    sha256 = models.CharField(max_length=64, help_text="SHA-256 of the body, hexadecimal.")
    received_at = models.DateTimeField(db_default=Now(), help_text="When the message was received.")
    due_at = models.DateTimeField(
        null=True, db_default=Now(), help_text="When the handlers run next; empty: they have finished."
    )
    claim_token = models.UUIDField(null=True, editable=False)
    claims = models.PositiveSmallIntegerField(db_default=0, help_text="Claims that a worker has not settled.")
    attempts = models.PositiveSmallIntegerField(db_default=0, help_text="Runs of the handlers so far.")
    last_error = models.TextField(db_default="", blank=True, help_text="Error of the last failed run.")
    history = models.JSONField(
        default=list,
        db_default=Value([], models.JSONField()),
        editable=False,
        help_text="The latest runs of the handlers, oldest first; empty if the first one succeeded.",
    )
    processed_at = models.DateTimeField(null=True, help_text="When the handlers succeeded.")
    handled_by = models.JSONField(null=True, help_text="Names of the handlers that ran.")
    out_of_order = models.BooleanField(
        db_default=False, help_text="A later message of the same order key was handled before."
    )
    skipped = models.BooleanField(db_default=False, help_text="Not handled, because it was out of order.")
    dead_at = models.DateTimeField(null=True, help_text="When it was given up.")
    cause = models.CharField(
        max_length=16,
        choices=Cause,
        db_default="",
        blank=True,
        help_text="Why it was given up; empty in any other state.",
    )

    replay_id = models.UUIDField(null=True, editable=False, help_text="The latest replay that made it due.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source", "message_id"], condition=Q(may_repeat=False), name="receipt_message_id_unique"
            ),
            models.CheckConstraint(
                condition=Q(body__isnull=False, body_key="") | Q(body__isnull=True, body_key__gt=""),
                name="receipt_body_in_one_place",
            ),
        ]
        indexes = [
            # readers: turns.claims, which walks over the sources; turns.slow_sources
            models.Index(fields=["source", "due_at"], name="receipt_due", condition=Q(due_at__isnull=False)),
            # reader: turns.claims.claim_suspect
            models.Index(fields=["due_at"], name="receipt_suspect", condition=Q(claims__gt=0)),
            # reader: turns.claims, for the oldest pending receipt of an order key
            models.Index(
                fields=["source", "order_key", "id"],
                name="receipt_order_key",
                condition=Q(due_at__isnull=False) & ~Q(order_key=""),
            ),
            # reader: replays.run_slices, which walks over the sources
            models.Index(fields=["source", "id"], name="receipt_source_dead", condition=Q(dead_at__isnull=False)),
            # reader: replays.states_of
            models.Index(fields=["replay_id"], name="receipt_of_replay", condition=Q(replay_id__isnull=False)),
            # readers: the list of dead receipts, sweep.delete_expired
            models.Index(fields=["dead_at"], name="receipt_dead", condition=Q(dead_at__isnull=False)),
            # reader: the search by message id
            models.Index(fields=["source", "message_id"], name="receipt_message_id", condition=Q(may_repeat=True)),
            models.Index(fields=["source", "id"], name="receipt_source"),  # reader: the list of a source
            # reader: the list of a source, filtered by event type
            models.Index(fields=["source", "event_type", "id"], name="receipt_event_type", condition=~Q(event_type="")),
            # reader: sweep.remove_orphans
            models.Index(fields=["body_key"], name="receipt_body_key", condition=~Q(body_key="")),
        ]
        permissions = [("replay_receipt", "Can replay receipts"), ("view_payload", "Can view payloads")]

    prepared: Any = None
    """The steps of the handlers in this run, kept by ``webhooks.processing.steps``; no column."""

    def __str__(self) -> str:
        return f"receipt {self.public_id}"

    @property
    def state(self) -> str:
        """Return pending, processed or dead."""
        if self.due_at is not None:
            return "pending"
        return "dead" if self.dead_at is not None else "processed"

    @property
    def secret_name(self) -> str:
        """Return the name of the secret that signed the message; empty if it has none, or was revoked."""
        if self.secret_id is None:
            return ""
        if "signer_name" not in self.__dict__:  # an annotation of lists
            names = SourceSecret.objects.filter(id=self.secret_id).values_list("name", flat=True)
            self.__dict__["signer_name"] = names.first()
        return self.__dict__["signer_name"] or ""

    @property
    def is_unhandled(self) -> bool:
        """Return whether the source has handlers, and none of them was for this receipt."""
        return self.state == "processed" and self.attempts > 0 and self.handled_by == [] and not self.skipped

    def open(self) -> IO[bytes]:
        """Open the body as a binary file, which the caller closes. Raises OSError if storage is unavailable."""
        if self.body_key:
            return cast(IO[bytes], storages["claims"].open(self.body_key, "rb"))
        return BytesIO(bytes(self.body or b""))

    def read(self) -> bytes:
        """Read the whole body into memory, as it was received."""
        with self.open() as file:
            return file.read()

    def content(self) -> bytes:
        """Read the whole body into memory, decompressed if it has a Content-Encoding. Raises UnreadableBody."""
        with self.open() as file:
            return message_body.read_decoded(self.body_headers(), file)

    def json(self) -> Any:
        """Parse the body as JSON; integers are exact at any length. Raises UnreadableBody, which ends the attempts."""
        return parse_json(self.content(), self.content_type)

    def form(self) -> message_body.Form:
        """Return the text fields of a form, urlencoded or in parts, as ``request.POST`` has them.

        Raises UnreadableBody, which ends the attempts.
        """
        with self.open() as file:
            return message_body.read_form(self.body_headers(), file)

    def files(self) -> message_body.Files:
        """Return the files of a form in parts, as ``request.FILES`` has them. Raises UnreadableBody."""
        with self.open() as file:
            return message_body.read_files(self.body_headers(), file)

    def body_headers(self) -> dict[str, str]:
        """Return the headers by names in lower case, with the content type of the body."""
        return {**{name.lower(): value for name, value in self.headers.items()}, "content-type": self.content_type}


class Rejection(KeyedRow):
    """One refused request, for finding a wrong secret. A sample: see ``rejections``."""

    prefix = "rej"
    source = models.ForeignKey(Source, models.CASCADE, related_name="rejections", db_index=False)
    reason = models.CharField(max_length=64, help_text="Code of the failed check, such as no_match.")
    detail = models.CharField(max_length=512, blank=True, help_text="The failed check in words.")
    headers = models.JSONField(default=dict, help_text="Request headers; credentials are removed.")
    remote_address = models.CharField(max_length=64, blank=True, help_text="IP address of the connection.")
    size = models.BigIntegerField(default=0, help_text="Bytes read of the body.")
    sha256 = models.CharField(max_length=64, blank=True, help_text="SHA-256 of the body, if all of it was read.")
    last_valid_secret_id = models.UUIDField(
        null=True, editable=False, help_text="The secret that signed the newest valid message before this request."
    )
    last_valid_at = models.DateTimeField(null=True, editable=False, help_text="When that message was received.")
    suppressed_count = models.PositiveIntegerField(
        default=0, help_text="Rejections before this one that were counted but not stored."
    )
    received_at = models.DateTimeField(default=timezone.now, help_text="When the request was received.")

    class Meta:
        # readers: the list of a source, sweep.trim_rejections
        indexes = [models.Index(fields=["source", "id"], name="rejection_source")]

    def __str__(self) -> str:
        return f"rejection {self.public_id}"
