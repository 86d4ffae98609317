"""Define ``manage.py source UID``: create a source of the operator, and print it with its secret as JSON."""

import json
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from rest_framework.exceptions import ValidationError

from webhooks.api.serializers.sources import SourceSerializer
from webhooks.kit.audit.commands import AuditedCommand


class Command(AuditedCommand):
    """Create a source of the operator."""

    help = 'Create a source and print {"source": ..., "url": ..., "secret": ...} as one line of JSON.'

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("uid", metavar="UID", help="your own id of the source")
        parser.add_argument("--sender", help="name of a known sender, whose preset the source has")
        parser.add_argument("--scheme", help="signature scheme (default: that of the sender, or else standard)")
        parser.add_argument("--secret", help="the sender's secret; left out, one is generated if the scheme allows it")
        parser.add_argument(
            "--base-url", metavar="URL", help="address of this site, which the printed url begins with (PUBLIC_URL)"
        )
        parser.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="FIELD=JSON",
            help="any other field of the REST API; repeatable",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        fields = {"uid": options["uid"], **dict(map(_assignment, options["set"]))}
        named = {name: options[name] for name in ("sender", "scheme", "secret") if options[name] is not None}
        fields = {**({} if "sender" in named or "kind" in fields else {"scheme": "standard"}), **named, **fields}
        serializer = SourceSerializer(data=fields)
        try:
            serializer.is_valid(raise_exception=True)
            source = serializer.save()
        except ValidationError as error:
            raise CommandError(json.dumps(error.detail)) from None
        secret = serializer.validated_data.get("secret")
        base = (options["base_url"] or settings.PUBLIC_URL).rstrip("/")
        path = serializer.data["url"]
        made = {"source": source.public_id, "url": path and base + path, "secret": secret}
        self.stdout.write(json.dumps(made))


def _assignment(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        raise CommandError(f"--set {name}: the value must be JSON") from None
