"""Define the fields headers, auth and tls of an endpoint: how they are written, and what is shown."""

from typing import Any

from drf_spectacular.utils import extend_schema_field

from subscriptions.api.authentication import principal
from subscriptions.endpoints.http.encrypted_fields import MASK, decrypt_fields
from subscriptions.models import Scope
from webhooks.kit.encryption import CannotDecrypt
from webhooks.kit.rest.serializers import StorableJsonField

TEXT = {"type": "string"}
SECRET = {"type": "string", "writeOnly": True}


def _kind(name: str, /, *optional: str, **members: Any) -> dict[str, Any]:
    properties = {"type": {"type": "string", "enum": [name]}, **members}
    return {
        "type": "object",
        "title": name,
        "properties": properties,
        # Secrets are required in requests and never in responses; one schema describes both.
        "required": [name for name, it in properties.items() if name not in optional and it is not SECRET],
        "additionalProperties": False,
    }


AUTH_SCHEMA = {
    "oneOf": [
        _kind("none"),
        _kind("basic", username=TEXT, password=SECRET),
        _kind("bearer", token=SECRET),
        _kind("header", name=TEXT, value=SECRET),
        _kind(
            "oauth2",
            *("scope", "audience", "client_auth"),
            token_url={"type": "string", "format": "uri"},
            client_id=TEXT,
            client_secret=SECRET,
            scope=TEXT,
            audience=TEXT,
            client_auth={"type": "string", "enum": ["basic", "body"], "default": "basic"},
        ),
        {"type": "object", "title": "nothing", "maxProperties": 0},
    ],
    "nullable": True,
}
CERTIFICATES = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"subject": TEXT, "not_after": {"type": "string", "format": "date-time"}, "sha256": TEXT},
    },
}
PEM_OR_SHOWN = {"oneOf": [{"type": "string", "title": "PEM", "writeOnly": True}, CERTIFICATES]}
TLS_SCHEMA = {
    "type": "object",
    "properties": {"certificate": PEM_OR_SHOWN, "private_key": SECRET, "ca": PEM_OR_SHOWN},
    "additionalProperties": False,
    "nullable": True,
}


@extend_schema_field({"type": "object", "additionalProperties": TEXT})
class Headers(StorableJsonField):
    """Show header names, and values to keys that may manage."""

    def get_attribute(self, instance: Any) -> Any:
        request = self.context.get("request")
        if request is not None and Scope.MANAGE in principal(request).scopes:
            try:
                return dict(decrypt_fields(instance.http).headers)
            except CannotDecrypt:
                pass
        return dict.fromkeys(instance.http.headers, MASK)


@extend_schema_field(AUTH_SCHEMA)
class Auth(StorableJsonField):
    """Show the authentication without its secrets."""


@extend_schema_field(TLS_SCHEMA)
class Tls(StorableJsonField):
    """Show the subject and expiry of certificates."""
