"""Define the entries of the audit."""

from django.db import models

from webhooks.kit.rows import KeyedRow, Row


class AuditEntry(Row):
    """One change of one object, or one operation: who, what, when, from where, before and after.

    Entries are appended, in the transaction of the change, by triggers of the changed tables. PostgreSQL refuses to
    change them, and to delete them before their time (``retention``).
    """

    prefix = "aud"

    class Actor(models.TextChoices):
        KEY = "key", "API key"
        PORTAL = "portal", "User of the portal"
        USER = "user", "User of the admin"
        COMMAND = "command", "User of the machine"
        SYSTEM = "system", "The system"
        ANONYMOUS = "anonymous", "Not signed in"

    class Origin(models.TextChoices):
        API = "api", "REST API"
        PORTAL = "portal", "Portal"
        ADMIN = "admin", "Admin"
        COMMAND = "command", "Command line"
        JOB = "job", "Periodic task"
        SYSTEM = "system", "The system"

    class Action(models.TextChoices):
        CREATED = "created", "Created"
        CHANGED = "changed", "Changed"
        DELETED = "deleted", "Deleted"
        PERFORMED = "performed", "Performed"
        VIEWED = "viewed", "Payload viewed"
        SIGNED_IN = "signed_in", "Signed in"
        SIGN_IN_FAILED = "sign_in_failed", "Sign-in failed"
        LOCKED_OUT = "locked_out", "Locked out"

    tenant_id = models.UUIDField("tenant ID", null=True, help_text="Tenant of the object; null: of none.")
    actor_type = models.CharField(max_length=16, choices=Actor, help_text="Kind of the one who did it.")
    actor_id = models.CharField(max_length=64, help_text="Id of the API key or the user; empty: none.")
    actor_tenant_id = models.UUIDField(null=True, editable=False)  # of the API key; null: of the platform
    actor_name = models.CharField(max_length=256, help_text="Name of the API key or the user.")
    origin = models.CharField(max_length=16, choices=Origin, help_text="Where it came from.")
    operation = models.CharField(max_length=256, help_text="Name of the route, the command or the periodic task.")
    operation_id = models.UUIDField(null=True, editable=False)
    address = models.CharField(max_length=64, help_text="Network address that the request came from; empty: none.")
    request_id = models.CharField(max_length=64, help_text="Id of the request, as in its response; empty: none.")
    action = models.CharField(max_length=16, choices=Action, help_text="What was done to the object.")
    object_type = models.CharField(max_length=32, help_text="Type of the object, such as endpoint; empty: none.")
    object_key = models.CharField(max_length=64, editable=False)
    object_name = models.CharField(max_length=256, help_text="Name of the object at that time; empty: it has none.")
    part = models.CharField(max_length=32, help_text="Part of the object that was changed; empty: the object itself.")
    before = models.JSONField(null=True, help_text="Values that were changed or deleted; secrets are shown as ***.")
    after = models.JSONField(null=True, help_text="Values since then; secrets are shown as ***.")

    class Meta:
        app_label = "webhooks"
        verbose_name = "audit entry"
        verbose_name_plural = "audit entries"
        indexes = [  # readers: the list by REST and in the admin, the history of an object, the end of an operation
            models.Index(fields=["tenant_id", "id"], name="audit_by_tenant"),
            models.Index(fields=["object_type", "object_key", "id"], name="audit_by_object"),
            models.Index(fields=["actor_type", "actor_id", "id"], name="audit_by_actor"),
            models.Index(fields=["operation_id"], name="audit_by_operation", condition=~models.Q(operation_id=None)),
        ]

    def __str__(self) -> str:
        return f"{self.object_type} {self.object_name or self.object_key}: {self.action}"


class KeyLooks(KeyedRow):
    """Looks of a tenant's own API key at payloads of one type in one hour, until ``key_looks`` makes them an entry."""

    key_id = models.UUIDField()
    tenant_id = models.UUIDField()
    key_name = models.CharField(max_length=256)
    object_type = models.CharField(max_length=32)
    starts_at = models.DateTimeField()
    looks = models.BigIntegerField()

    class Meta:
        app_label = "webhooks"
        constraints = [
            models.UniqueConstraint(fields=["starts_at", "key_id", "object_type"], name="unique_looks_of_key_in_hour")
        ]  # also the index of the hours that have ended

    def __str__(self) -> str:
        return f"{self.key_name} {self.object_type} {self.starts_at:%Y-%m-%d %H:00}"
