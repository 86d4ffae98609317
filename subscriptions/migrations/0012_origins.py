"""Endpoints that are there already learn their origin."""

from typing import Any

from django.db import migrations

from subscriptions.origins import origin_of


def fill(apps: Any, schema_editor: Any) -> None:
    endpoints = apps.get_model("subscriptions", "Endpoint").objects.filter(origin="")
    for row in endpoints.only("url").iterator():
        endpoints.filter(pk=row.pk).update(origin=origin_of(row.url))


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0011_consent")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
