"""Forget a column of partitions that nothing reads. A later version drops it: the version before still selects it."""

from django.db import migrations


class Migration(migrations.Migration):
    """Change what Django knows of the table, and nothing in the database."""

    dependencies = [("webhooks", "0002_looks_and_reports")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[migrations.RemoveField(model_name="sourcepartition", name="partitions_listed_at")]
        )
    ]
