"""Let erasures go through the archive: their progress there, and which objects they have written anew."""

from pathlib import Path

from django.db import migrations, models

HERE = Path(__file__).parent


class Migration(migrations.Migration):
    """Add columns with defaults, and put triggers of the audit in place."""

    online = "columns have defaults in the database; triggers of two small tables are made at once"

    dependencies = [
        ("delivery", "0004_delivery_hours"),
    ]

    operations = [
        migrations.AddField(
            model_name="archive",
            name="rewritten_at",
            field=models.DateTimeField(
                help_text="When an erasure last wrote it anew, without some data; empty: it is as it was archived.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="archive",
            name="rewritten_by",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Id of the last erasure that wrote it anew.",
                max_length=64,
            ),
        ),
        migrations.AddField(
            model_name="erasure",
            name="archives",
            field=models.PositiveIntegerField(
                db_default=0, default=0, help_text="Objects of the archive to search, when it was created."
            ),
        ),
        migrations.AddField(
            model_name="erasure",
            name="archives_searched",
            field=models.PositiveIntegerField(
                db_default=0, default=0, help_text="Objects of the archive searched so far."
            ),
        ),
        migrations.AddField(
            model_name="erasure",
            name="archives_rewritten",
            field=models.PositiveIntegerField(
                db_default=0,
                default=0,
                help_text="Those of them that contained such events, and were written anew without.",
            ),
        ),
        migrations.AddField(
            model_name="erasure",
            name="archives_missing",
            field=models.PositiveIntegerField(
                db_default=0,
                default=0,
                help_text="Those of them that are not in the storage any more, such as expired ones.",
            ),
        ),
        migrations.AddField(
            model_name="erasure",
            name="erased_in_archive",
            field=models.PositiveIntegerField(
                db_default=0, default=0, help_text="Archived events erased so far, with copies and invocation records."
            ),
        ),
        migrations.AddField(
            model_name="erasure",
            name="is_in_archive",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
        migrations.AddField(
            model_name="erasure",
            name="archive_cursor",
            field=models.UUIDField(editable=False, help_text="The last object that was searched.", null=True),
        ),
        migrations.AddField(
            model_name="erasure",
            name="last_error",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Why it waits, such as for an archive that is away; empty: it does not.",
                max_length=256,
            ),
        ),
        migrations.RunSQL((HERE / "audit_archives.sql").read_text(), (HERE / "audit_archives_reverse.sql").read_text()),
    ]
