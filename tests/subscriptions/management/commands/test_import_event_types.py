"""The command import_event_types: YAML and JSON documents, reports, and unusable files."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from subscriptions.event_types.models import EventType

pytestmark = pytest.mark.django_db

YAML = """
openapi: 3.1.0
info: {title: Shop, version: "1"}
webhooks:
  order.paid:
    post:
      summary: An order was paid.
      requestBody:
        content:
          application/json:
            schema: {type: object}
"""


def run(path: Path, *options: str) -> str:
    out = StringIO()
    call_command("import_event_types", str(path), *options, stdout=out)
    return out.getvalue()


def test_command_imports_yaml_and_prints_a_report(tmp_path: Path) -> None:
    path = tmp_path / "openapi.yaml"
    path.write_text(YAML)
    printed = run(path, "--dry-run")
    assert "created    order.paid" in printed
    assert "dry run: nothing was written" in printed
    assert not EventType.objects.exists()
    assert "1 created, 0 changed, 0 unchanged" in run(path, "--schema-check", "enforce")
    assert EventType.objects.get().schema_check == "enforce"
    assert "0 created, 0 changed, 1 unchanged" in run(path)


@pytest.mark.parametrize("text", ["{", json.dumps({"openapi": "3.1.0", "webhooks": {"a b": {}}})])
def test_unusable_file_is_a_command_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "openapi.json"
    path.write_text(text)
    with pytest.raises(CommandError):
        run(path)
    with pytest.raises(CommandError):
        run(tmp_path / "missing.json")
