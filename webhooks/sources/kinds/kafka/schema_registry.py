"""Fetch schemas from a schema registry: Confluent's REST API, which others speak too, Apicurio's, and AWS Glue.

Calls go through the guard. A registry that is away or refuses our credentials is a failure of the source, tried again;
a schema that it does not have, or a response that is no schema, is a fault of the records that name it.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import orjson

from webhooks.outgoing.call_messages import CallResponse
from webhooks.outgoing.errors import CallFailed, LimitReached
from webhooks.outgoing.guarded_call import call
from webhooks.sources.kinds.aws.client import ACCESS_KEY, ENDPOINT, SECRET_KEY, TOKEN, AwsApi, AwsError
from webhooks.sources.kinds.kind import Connection, SourceUnavailable
from webhooks.wire.addresses.parsed_url import ForbiddenAddress

SECONDS = 5.0  # for one call
MAX_SCHEMA = 1024 * 1024  # bytes of a response
MAX_REFERENCES = 100  # schemas that one schema needs, directly or not
URL_SETTING, PASSWORD_SETTING = "settings.registry_url", "credentials.registry_password"
APICURIO = {"apicurio": "/apis/registry/v2", "apicurio3": "/apis/registry/v3"}


class SchemaNotFound(ValueError):
    """The registry has no such schema, or responds with something else."""


@dataclass(slots=True)
class SchemaText:
    """A schema as its registry has it. ``kind``: AVRO, PROTOBUF, JSON; empty: not said.

    ``references``: the texts that it needs, by the name under which it imports them, each after those it needs itself.
    """

    text: str
    kind: str = ""
    references: dict[str, str] = field(default_factory=dict)


class SchemaRegistry:
    """The registry of a source. Methods raise SchemaNotFound and SourceUnavailable."""

    def __init__(self, connection: Connection) -> None:
        settings = connection.settings
        self._connection = connection
        self._form, self._share = settings["values"], connection.share
        self._url = str(settings.get("registry_url") or "").rstrip("/")
        self._headers = {"Accept": "application/vnd.schemaregistry.v1+json, application/json, */*"}
        if user := settings.get("registry_username"):
            pair = f"{user}:{connection.credentials.get('registry_password') or ''}"
            self._headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()

    def fetch(self, key: str) -> SchemaText:
        """Return a schema by key.

        ``ids/7``, ``guids/<UUID>`` of Confluent; ``globalIds/7``, ``contentIds/7`` of Apicurio; a UUID of Glue.
        """
        if self._form == "glue":
            return self._from_glue(key)
        return self._from_apicurio(key) if self._form in APICURIO else self._from_confluent(key)

    def _from_confluent(self, key: str) -> SchemaText:
        document = self._object(f"/schemas/{key}", f"schema {key}")
        found = SchemaText(_text_of(document, key), str(document.get("schemaType") or "AVRO"))
        self._add_references(document, found.references, [MAX_REFERENCES])
        return found

    def _add_references(self, document: Mapping[str, Any], found: dict[str, str], left: list[int]) -> None:
        for reference in _list(document.get("references")):
            name = str(reference.get("name"))
            if name in found:
                continue
            left[0] -= 1
            if left[0] < 0:
                raise SchemaNotFound(f"The schema needs more than {MAX_REFERENCES} others.")
            subject, version = str(reference.get("subject")), str(reference.get("version"))
            path = f"/subjects/{quote(subject, safe='')}/versions/{quote(version, safe='')}"
            inner = self._object(path, f"version {version} of {subject}")
            self._add_references(inner, found, left)
            found[name] = _text_of(inner, subject)

    def _from_glue(self, key: str) -> SchemaText:
        given = self._connection.credentials
        credentials = {it: given.get(f"registry_{it}", "") for it in (ACCESS_KEY, SECRET_KEY, TOKEN)}
        connection = Connection(self._connection.source, self._share, {"endpoint_url": self._url}, credentials)
        region = self._connection.settings["registry_region"]
        try:
            found = AwsApi(connection, "glue", "AWSGlue", "1.1", region, "registry_region").call(
                "GetSchemaVersion", {"SchemaVersionId": key}, SECONDS
            )
        except AwsError as error:
            if error.code in ("EntityNotFound", "InvalidInput"):
                raise SchemaNotFound("The registry has no such version of a schema.") from error
            raise _of_glue(error) from error
        except SourceUnavailable as error:
            raise _of_glue(error) from error
        text = found.get("SchemaDefinition")
        if not isinstance(text, str):
            raise SchemaNotFound("The registry's response has no schema.")
        return SchemaText(text, str(found.get("DataFormat") or ""))

    def _from_apicurio(self, key: str) -> SchemaText:
        prefix = APICURIO[self._form]
        response = self._get(f"{prefix}/ids/{key}", f"schema {key}")
        headers = {name.lower(): value for name, value in response.headers.items()}
        found = SchemaText(_utf8(response.body, key), headers.get("x-registry-artifacttype", "").upper())
        for reference in _list(self._json(f"{prefix}/ids/{key}/references", f"references of schema {key}")):
            if len(found.references) >= MAX_REFERENCES:
                raise SchemaNotFound(f"The schema needs more than {MAX_REFERENCES} others.")
            names = {name: quote(str(reference.get(name) or "default"), safe="") for name in ("groupId", "artifactId")}
            version = quote(str(reference.get("version") or "latest"), safe="")
            path = f"{prefix}/groups/{names['groupId']}/artifacts/{names['artifactId']}/versions/{version}"
            inner = self._get(
                path if self._form == "apicurio" else f"{path}/content", f"artifact {names['artifactId']}"
            )
            found.references[str(reference.get("name"))] = _utf8(inner.body, key)
        return found

    def _object(self, path: str, what: str) -> dict[str, Any]:
        document = self._json(path, what)
        if not isinstance(document, dict):
            raise SchemaNotFound(f"The registry responds with something else for {what}.")
        return document

    def _json(self, path: str, what: str) -> Any:
        try:
            return orjson.loads(self._get(path, what).body)
        except orjson.JSONDecodeError:
            raise SchemaNotFound(f"The registry responds with something else for {what}.") from None

    def _get(self, path: str, what: str) -> CallResponse:
        try:
            response = call(
                "GET",
                self._url + path,
                share=self._share,
                headers=self._headers,
                timeout=SECONDS,
                max_response=MAX_SCHEMA,
            )
        except ForbiddenAddress as error:
            raise SourceUnavailable(f"The schema registry cannot be called. {error}", URL_SETTING) from error
        except CallFailed as error:
            reason = str(error) or (type(error).__doc__ or "").strip()
            raise SourceUnavailable(f"The schema registry does not respond: {reason}", URL_SETTING) from error
        except LimitReached as error:
            raise SourceUnavailable(f"The schema registry was not called: {error}") from error
        _check_status(response, what)
        return response


def _of_glue(error: SourceUnavailable) -> SourceUnavailable:
    """Return an error of the API of Glue with the names of our settings."""
    setting = error.setting.replace("credentials.", "credentials.registry_")
    return SourceUnavailable(f"AWS Glue: {error}", URL_SETTING if setting == ENDPOINT else setting)


def _check_status(response: CallResponse, what: str) -> None:
    status = response.status
    if status in (401, 403):
        raise SourceUnavailable(f"The schema registry refuses the credentials (status {status}).", PASSWORD_SETTING)
    if status == 404:
        raise SchemaNotFound(f"The registry has no {what}.")
    if status in (408, 425, 429) or (not 200 <= status < 300 and not 400 <= status < 500):
        raise SourceUnavailable(f"The schema registry responds with status {status}.", URL_SETTING)
    if status >= 400:
        raise SchemaNotFound(f"The registry responds with status {status} for {what}.")
    if response.truncated:
        raise SchemaNotFound(f"The registry's response for {what} has more than {MAX_SCHEMA} bytes.")


def _text_of(document: Mapping[str, Any], what: str) -> str:
    text = document.get("schema")
    if not isinstance(text, str):
        raise SchemaNotFound(f"The registry's response for {what} has no schema.")
    return text


def _utf8(body: bytes, what: str) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise SchemaNotFound(f"The registry's response for {what} is not UTF-8.") from None


def _list(value: Any) -> list[dict[str, Any]]:
    return [it for it in value if isinstance(it, dict)] if isinstance(value, list) else []
