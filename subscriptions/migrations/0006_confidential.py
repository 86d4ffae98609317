"""Header values, authentication and client certificates of endpoints, sealed."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0005_plans")]

    operations = [
        migrations.AddField("endpoint", "auth", models.JSONField(blank=True, default=dict, help_text="How it knows us, without the secrets.")),
        migrations.AddField("endpoint", "tls", models.JSONField(blank=True, default=dict, help_text="Whose client certificate it gets, and its own authorities.")),
        migrations.AddField("endpoint", "sealed", models.BinaryField(editable=False, help_text="headers, auth and tls in full: see confidential.", null=True)),
        migrations.AlterField("endpoint", "headers", models.JSONField(blank=True, default=dict, help_text="The names of headers of its own; values are sealed.")),
    ]
