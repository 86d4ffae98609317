"""Declare the credentials that kinds of Azure have: shared access keys and an application of Microsoft Entra ID.

Microsoft identity platform, "OAuth 2.0 client credentials flow"; Azure Service Bus, "Generate a Shared Access Signature
token".
"""

import re
from base64 import b64encode
from hmac import digest
from urllib.parse import quote_plus

from subscriptions.endpoints.destinations.kind import Connection, Setting
from subscriptions.endpoints.http.credentials import ClientCredentials
from webhooks.kit.kinds.setting import url_problem

LOGIN = "https://login.microsoftonline.com"
SAS_SECONDS = 3600  # that a signature is valid
ENTRA = (
    Setting(
        "tenant_id",
        "Directory (tenant) ID",
        "Directory of the application of Microsoft Entra ID that sends, instead of a key.",
        max_length=253,
        example="72f988bf-86f1-41af-91ab-2d7cd011db47",
    ),
    Setting("client_id", "Application (client) ID", "Id of the application.", max_length=100),
    Setting(
        "authority_url",
        "Authority URL",
        "URL of the identity platform, for a national cloud. Default: https://login.microsoftonline.com.",
        example="https://login.microsoftonline.us",
    ),
    Setting("client_secret", "Client secret", "Secret of the application.", max_length=512, is_credential=True),
)
_PARTS = ("tenant_id", "client_id", "client_secret")
_TENANT = re.compile(r"[A-Za-z0-9.-]{1,253}")
_PRINTABLE = re.compile(r"[!-~]+")


def entra_problems(connection: Connection) -> dict[str, str]:
    """Return what is wrong with the settings of an application, by path; empty also if none is given."""
    problems = {}
    missing = [name for name in _PARTS if not _part(connection, name)]
    if 0 < len(missing) < len(_PARTS):
        problems = {_path(name): "Is required for an application of Microsoft Entra ID." for name in missing}
    if not _TENANT.fullmatch(_part(connection, "tenant_id") or "common"):
        problems["settings.tenant_id"] = "Must be the id or the domain of a directory."
    for name in ("client_id", "client_secret"):
        if not _PRINTABLE.fullmatch(_part(connection, name) or "-"):
            problems[_path(name)] = "Must be printable ASCII without spaces."
    if url := connection.settings.get("authority_url"):
        problems |= url_problem(url, "settings.authority_url")
    return problems


def entra_credentials(connection: Connection, scope: str) -> ClientCredentials | None:
    """Return how to request tokens for the application; None if none is given."""
    tenant, client, secret = (_part(connection, name) for name in _PARTS)
    if not secret:
        return None
    authority = (connection.settings.get("authority_url") or LOGIN).rstrip("/")
    return ClientCredentials(
        token_url=f"{authority}/{tenant}/oauth2/v2.0/token",
        client_id=client,
        client_secret=secret,
        scope=scope,
        client_auth="body",
    )


def shared_access_signature(resource: str, key_name: str, key: str, now: float) -> str:
    """Return the value of the header ``Authorization`` for a resource of Service Bus, at ``now`` (unix seconds)."""
    encoded, expiry = quote_plus(resource), int(now) + SAS_SECONDS
    signature = b64encode(digest(key.encode(), f"{encoded}\n{expiry}".encode(), "sha256")).decode()
    return f"SharedAccessSignature sr={encoded}&sig={quote_plus(signature)}&se={expiry}&skn={quote_plus(key_name)}"


def _part(connection: Connection, name: str) -> str:
    given = connection.credentials if name == "client_secret" else connection.settings
    return str(given.get(name) or "")


def _path(name: str) -> str:
    return f"credentials.{name}" if name == "client_secret" else f"settings.{name}"
