"""Add the counts of looks at payloads; entries of work have a note, and are written only if a row was changed."""

from pathlib import Path

from django.db import migrations, models

import webhooks.wire.ids

HERE = Path(__file__).parent


class Migration(migrations.Migration):
    """Create a table, and replace the trigger's function."""

    online = "functions are replaced and triggers made at once; entries of old code have no note, as before"

    dependencies = [("webhooks", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="KeyLooks",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("key_id", models.UUIDField()),
                ("tenant_id", models.UUIDField()),
                ("key_name", models.CharField(max_length=256)),
                ("object_type", models.CharField(max_length=32)),
                ("starts_at", models.DateTimeField()),
                ("looks", models.BigIntegerField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("starts_at", "key_id", "object_type"), name="unique_looks_of_key_in_hour"
                    )
                ],
            },
        ),
        migrations.RunSQL((HERE / "audit_reports.sql").read_text(), (HERE / "audit_reports_reverse.sql").read_text()),
    ]
