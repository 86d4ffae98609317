"""Hold which versions have been installed in this database, with the migrations that each has applied."""

from django.db import models


class InstalledVersion(models.Model):
    """A version that `upgrade` has installed. `rollback` goes back to the migrations of the one before."""

    id = models.BigAutoField(primary_key=True)
    version = models.CharField(max_length=32, help_text="Version of the software; empty: not known.")
    migrations = models.JSONField(
        default=dict, help_text="The last migration of each app; empty: it is being installed."
    )
    backup = models.TextField(blank=True, help_text="Directory of the backup that was made before; empty: none was.")
    begun_at = models.DateTimeField(auto_now_add=True)
    installed_at = models.DateTimeField(null=True, help_text="When it was complete; empty: it was interrupted.")
    rolled_back_at = models.DateTimeField(null=True)

    class Meta:
        app_label = "config"
        default_permissions = ()

    def __str__(self) -> str:
        return self.version or "an unknown version"
