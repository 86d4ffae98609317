"""Define the fields headers, auth and tls of an endpoint: how they are written, and what is shown."""

from typing import Any

from drf_spectacular.utils import extend_schema_field

from subscriptions.api.authentication import principal
from subscriptions.endpoints.http.encrypted_fields import MASK, decrypt_fields
from subscriptions.models import Scope
from webhooks.kit.encryption import CannotDecrypt
from webhooks.kit.rest.fields.json_values import StorableJsonField

TEXT = {"type": "string"}


def _text(description: str, **details: Any) -> dict[str, Any]:
    return {"type": "string", "description": description, **details}


def _secret(description: str) -> dict[str, Any]:
    return _text(description, writeOnly=True)


def _kind(name: str, component: str, description: str, /, *optional: str, **members: Any) -> dict[str, Any]:
    properties = {"type": _text(f"Kind of authentication: `{name}`.", enum=[name]), **members}
    return {
        "x-component": (component, description),
        "type": "object",
        "properties": properties,
        # Requests need the secrets and responses never have them; one description serves both.
        "required": [name for name, it in properties.items() if name not in optional and "writeOnly" not in it],
        "additionalProperties": False,
    }


AUTH_SCHEMA = {
    "x-component": ("EndpointAuth", "Authentication of requests to an endpoint, of one of several kinds."),
    "type": "object",
    "oneOf": [
        _kind("none", "EndpointAuthNone", "No authentication, as null."),
        _kind(
            "basic",
            "EndpointAuthBasic",
            "HTTP Basic.",
            username=_text("User name."),
            password=_secret("Password; may be empty."),
        ),
        _kind("bearer", "EndpointAuthBearer", "A bearer token.", token=_secret("Token for the Authorization header.")),
        _kind(
            "header",
            "EndpointAuthHeader",
            "A key in a header.",
            name=_text("Name of the header."),
            value=_secret("Value of the header."),
        ),
        _kind(
            "body",
            "EndpointAuthBody",
            "A key in the body, for APIs that take none in a header: a member that is added to the JSON object of "
            "each request, after it was rendered, and is not stored with deliveries.",
            name=_text("Name of the member."),
            value=_secret("Value of the member."),
        ),
        _kind(
            "oauth2",
            "EndpointAuthClientCredentials",
            "An OAuth 2 access token, by client credentials.",
            *("scope", "audience", "client_auth"),
            token_url=_text("URL of the token endpoint.", format="uri"),
            client_id=_text("Client id."),
            client_secret=_secret("Client secret."),
            scope=_text("Scopes to request, separated by spaces. Default: none."),
            audience=_text("Audience to request. Default: none."),
            client_auth=_text(
                "How the client authenticates: by HTTP Basic, or in the request body.",
                enum=["basic", "body"],
                default="basic",
            ),
        ),
        _kind(
            "aws_sigv4",
            "EndpointAuthAwsSignature",
            "AWS Signature Version 4, made for each attempt, as Lambda function URLs with `AWS_IAM` and APIs of API "
            "Gateway with IAM authorization require it.",
            *("service", "session_token"),
            access_key_id=_text("Id of the access key.", examples=["AKIAIOSFODNN7EXAMPLE"]),
            secret_access_key=_secret("Secret of the access key."),
            session_token=_secret("Session token of temporary credentials, which end with it. Default: none."),
            region=_text("Region of the service, such as `eu-central-1`."),
            service=_text(
                "Service that verifies the signature: `lambda`, `execute-api` for API Gateway, or another one.",
                default="lambda",
            ),
        ),
    ],
    "discriminator": {
        "propertyName": "type",
        "mapping": {
            kind: f"#/components/schemas/EndpointAuth{name}"
            for kind, name in (
                *(("none", "None"), ("basic", "Basic"), ("bearer", "Bearer"), ("header", "Header")),
                ("body", "Body"),
                *(("oauth2", "ClientCredentials"), ("aws_sigv4", "AwsSignature")),
            )
        },
    },
    "nullable": True,
}
CERTIFICATES = {
    "type": "array",
    "items": {
        "x-component": ("EndpointCertificate", "A certificate of an endpoint, as it is shown."),
        "type": "object",
        "properties": {
            "subject": _text("Subject of the certificate."),
            "not_after": _text("When it expires.", format="date-time"),
            "sha256": _text("SHA-256 of the certificate, hexadecimal."),
        },
    },
}


def _certificate(description: str) -> dict[str, Any]:
    return {"oneOf": [{"type": "string", "title": "PEM", "writeOnly": True}, CERTIFICATES], "description": description}


TLS_SCHEMA = {
    "x-component": ("EndpointTls", "Certificates for TLS connections to an endpoint."),
    "type": "object",
    "properties": {
        "certificate": _certificate("Client certificate with its chain, as PEM."),
        "private_key": _secret("Private key of the client certificate, as PEM."),
        "ca": _certificate("Certificate authorities that may sign the endpoint's certificate, as PEM."),
    },
    "additionalProperties": False,
    "nullable": True,
}


@extend_schema_field({"type": "object", "additionalProperties": TEXT})
class Headers(StorableJsonField):
    """Show header names, and values to keys that may manage."""

    def get_attribute(self, instance: Any) -> Any:
        if not hasattr(instance, "http"):
            return None
        request = self.context.get("request")
        if request is not None and Scope.MANAGE in principal(request).scopes:
            try:
                return dict(decrypt_fields(instance.http).headers)
            except CannotDecrypt:
                pass
        return dict.fromkeys(instance.http.headers, MASK)


@extend_schema_field(AUTH_SCHEMA)
class Auth(StorableJsonField):
    """Show the authentication without its secrets; null without any."""

    def to_representation(self, value: Any) -> Any:
        return super().to_representation(value) or None


@extend_schema_field(TLS_SCHEMA)
class Tls(StorableJsonField):
    """Show the subject and expiry of certificates; null without any."""

    def to_representation(self, value: Any) -> Any:
        return super().to_representation(value) or None
