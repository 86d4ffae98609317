"""Add the role of API keys."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Add a column."""

    dependencies = [("subscriptions", "0002_archive_and_usage")]

    operations = [
        migrations.AddField(
            model_name="apikey",
            name="role",
            field=models.CharField(
                blank=True,
                choices=[
                    ("viewer", "Viewer"),
                    ("support", "Support"),
                    ("operator", "Operator"),
                    ("administrator", "Administrator"),
                ],
                help_text="Role of the key, as of a user of the admin: it may do what the role may, and sees payloads "
                "only if the role does. Empty: its scopes alone decide.",
                max_length=16,
                null=True,
            ),
        )
    ]
