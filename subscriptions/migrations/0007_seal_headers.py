"""What endpoints had as plain headers is sealed; their names stay readable."""

import json
from typing import Any

from django.db import migrations

from subscriptions.seals import seal, unseal

MASK = "***"


def seal_headers(apps: Any, schema_editor: Any) -> None:
    endpoints = apps.get_model("subscriptions", "Endpoint").objects.filter(sealed=None).exclude(headers={})
    for row in endpoints.iterator():
        endpoints.filter(pk=row.pk).update(
            headers=dict.fromkeys(row.headers, MASK), sealed=seal(json.dumps({"headers": row.headers}))
        )


def unseal_headers(apps: Any, schema_editor: Any) -> None:
    endpoints = apps.get_model("subscriptions", "Endpoint").objects.exclude(sealed=None)
    for row in endpoints.iterator():
        headers = json.loads(unseal(row.sealed)).get("headers", {})
        endpoints.filter(pk=row.pk).update(headers=headers, sealed=None)


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0006_confidential")]

    operations = [migrations.RunPython(seal_headers, unseal_headers)]
