"""Decode values and keys: find the schema by their first bytes or by headers, and return JSON.

    confluent   0, 4-byte id, data; or the header __value_schema_id: 1, 16-byte GUID
    apicurio    0, 8-byte global id, data; or the headers apicurio.value.globalId, contentId (8 bytes each)
    apicurio3   0, 4-byte content id, data; or the same headers
    glue        3, compression (0 none, 5 zlib), 16-byte UUID of the schema's version, data
    schema      data of the one schema in the settings

Numbers are big-endian. Before a message of Protocol Buffers, Confluent's serializers write its place in the file.
"""

import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from webhooks.kit.caches.partitioned_cache import PartitionedCache
from webhooks.sources.kinds.kafka.avro import AvroSchema, InvalidSchema
from webhooks.sources.kinds.kafka.avro_values import InvalidData
from webhooks.sources.kinds.kafka.proto_text import InvalidProto
from webhooks.sources.kinds.kafka.protobuf import InvalidMessage, ProtobufSchema, read_indexes
from webhooks.sources.kinds.kafka.schema_registry import SchemaNotFound, SchemaRegistry, SchemaText
from webhooks.sources.kinds.kafka.settings import NEED_SCHEMAS, PLAIN
from webhooks.sources.kinds.kind import Connection

ONLY = "*"  # the name of the only schema
JSON, TEXT, BINARY = "application/json", "text/plain", "application/octet-stream"
MAX_INFLATED = 64 * 1024**2  # bytes of a value after decompression
MAX_CACHED = 1000  # schemas per process
RETRY_AFTER = 60.0  # seconds after which a schema that could not be used is fetched again
FAULTS = (InvalidData, InvalidSchema, InvalidProto, InvalidMessage, SchemaNotFound)


class Undecodable(ValueError):
    """The bytes are not what their schema says, or their schema cannot be used."""


class InvalidSchemas(ValueError):
    """The schemas in the settings cannot be used."""


@dataclass(frozen=True, slots=True)
class Value:
    """A value as it is stored."""

    body: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the schema of a value is (``key``: in the registry or in ``schemas``), and where its data begins."""

    key: str
    start: int


_Schema = AvroSchema | ProtobufSchema | None  # None: JSON


@dataclass(frozen=True, slots=True)
class _Cached:
    schema: _Schema
    problem: str
    expires_at: float  # monotonic


_cache: PartitionedCache[_Cached] = PartitionedCache(MAX_CACHED)


class ValueDecoder:
    """Decode the values of a source. ``decode`` raises Undecodable, and SourceUnavailable if the registry is away."""

    def __init__(self, connection: Connection) -> None:
        settings = connection.settings
        self._form: str = settings["values"]
        self._message: str = settings.get("protobuf_message") or ""
        self._registry = SchemaRegistry(connection)
        self._share = connection.share
        self._place = (settings.get("registry_url"), self._form)
        schemas: Mapping[str, Any] = settings.get("schemas") or {}
        self._own = {str(name).lower(): it for name, it in schemas.items()} if self._form in NEED_SCHEMAS else {}
        self._has_registry = self._form not in NEED_SCHEMAS or bool(settings.get("registry_region"))
        self._compiled: dict[str, _Cached] = {}

    @property
    def is_plain(self) -> bool:
        """Return whether values are stored as they are."""
        return self._form == PLAIN

    def decode(self, data: bytes, headers: Mapping[str, bytes], part: str = "value") -> Value:
        """Return a value, or a key with ``part`` "key". ``headers``: by name in lower case."""
        if self._form == PLAIN:
            return plain_value(data)
        try:
            place = self._find(data, headers, part)
            if self._form == "glue" and data[1] == 5:
                data = data[:18] + _inflated(data[18:])
            return self._decode(self._schema(place.key), data, place.start)
        except FAULTS as error:
            raise Undecodable(str(error)) from error

    def _find(self, data: bytes, headers: Mapping[str, bytes], part: str) -> _Place:
        if self._form == "schema":
            return _Place(ONLY, 0)
        if self._form == "glue":
            if len(data) < 18 or data[0] != 3 or data[1] not in (0, 5):
                raise InvalidData("Does not begin with the header of AWS Glue: 3, 0 or 5, and a UUID.")
            return _Place(str(UUID(bytes=data[2:18])), 18)
        if self._form == "confluent":
            guid = headers.get(f"__{part}_schema_id", b"")
            if len(guid) == 17 and guid[0] == 1:
                return _Place(f"guids/{UUID(bytes=guid[1:])}", 0)
            return _Place(f"ids/{_id(data, 4)}", 5)
        for header, key in (("globalid", "globalIds"), ("contentid", "contentIds")):
            found = headers.get(f"apicurio.{part}.{header}", b"")
            if len(found) == 8:
                return _Place(f"{key}/{int.from_bytes(found, 'big', signed=True)}", 0)
        if self._form == "apicurio":
            return _Place(f"globalIds/{_id(data, 8)}", 9)
        return _Place(f"contentIds/{_id(data, 4)}", 5)

    def _schema(self, key: str) -> _Schema:
        """Return a schema from a cache, or fetch it. Raises SchemaNotFound, InvalidSchema, InvalidProto."""
        name = (*self._place, key)
        is_own = key in self._own or not self._has_registry
        found = self._compiled.get(key) if is_own else _cache.get(self._share, name)
        if found is None or time.monotonic() >= found.expires_at:
            found = self._load(key)
            if is_own:
                self._compiled[key] = found
            else:
                _cache.put(self._share, name, found)
        if found.problem:
            raise SchemaNotFound(found.problem)
        return found.schema

    def _load(self, key: str) -> _Cached:
        try:
            return _Cached(_compiled(self._text(key)), "", float("inf"))
        except FAULTS as error:
            return _Cached(None, f"Schema {key}: {error}", time.monotonic() + RETRY_AFTER)

    def _text(self, key: str) -> SchemaText:
        if key in self._own:
            return _given(self._own[key])
        if not self._has_registry:
            raise SchemaNotFound("settings.schemas does not have it.")
        return self._registry.fetch(key)

    def _decode(self, schema: _Schema, data: bytes, start: int) -> Value:
        if schema is None:
            body = data[start:]
            try:
                orjson.loads(body)
            except orjson.JSONDecodeError:
                raise InvalidData("Is not JSON.") from None
            return Value(body, JSON)
        if isinstance(schema, AvroSchema):
            return Value(_dumped(schema.decode(data, start)), JSON)
        path: list[int] | str = self._message or [0]
        if self._form == "confluent":
            indexes, start = read_indexes(data, start)
            path = self._message or indexes
        return Value(_dumped(schema.decode(data[start:], path)), JSON)


def plain_value(data: bytes) -> Value:
    """Return a value as it is, with the content type that it looks like."""
    try:
        orjson.loads(data)
        return Value(data, JSON)
    except orjson.JSONDecodeError:
        pass
    try:
        data.decode()
        return Value(data, BINARY if b"\0" in data else TEXT)
    except UnicodeDecodeError:
        return Value(data, BINARY)


def check_schemas(form: str, schemas: Mapping[str, Any], message: str) -> None:
    """Compile the schemas of the settings. Raises InvalidSchemas."""
    if not schemas or (form == "schema" and set(schemas) != {ONLY}):
        raise InvalidSchemas('Must have schemas: {"*": schema} for schema, {"<UUID>": schema} for glue.')
    for name, given in schemas.items():
        try:
            if form == "glue":
                UUID(name)
            compiled = _compiled(_given(given))
            if message and isinstance(compiled, ProtobufSchema):
                compiled.decode(b"", message)
        except (*FAULTS, ValueError) as error:
            raise InvalidSchemas(f"{name}: {error}") from error


def _compiled(found: SchemaText) -> _Schema:
    """Return a schema that is ready to decode; None for JSON Schema. Raises InvalidSchema, InvalidProto."""
    kind = found.kind or _guessed_kind(found.text)
    if kind.startswith("JSON"):
        return None
    if kind == "AVRO":
        return AvroSchema(found.text, found.references.values())
    if kind == "PROTOBUF":
        return ProtobufSchema(found.text, found.references)
    raise InvalidSchema(f"Is of the unknown type {kind[:40]}.")


def _guessed_kind(text: str) -> str:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        return "PROTOBUF" if "{" in text else "AVRO"
    is_json_schema = isinstance(document, dict) and ("$schema" in document or document.get("type") == "object")
    return "JSON" if is_json_schema else "AVRO"


def _given(schema: Any) -> SchemaText:
    return SchemaText(schema if isinstance(schema, str) else orjson.dumps(schema).decode())


def _id(data: bytes, size: int) -> int:
    if len(data) <= size or data[0] != 0:
        raise InvalidData(f"Does not begin with a zero byte and a schema id of {size} bytes.")
    return int.from_bytes(data[1 : size + 1], "big", signed=size == 8)


def _inflated(data: bytes) -> bytes:
    try:
        inflater = zlib.decompressobj()
        found = inflater.decompress(data, MAX_INFLATED)
    except zlib.error:
        raise InvalidData("Is not compressed by zlib, as its header says.") from None
    if inflater.unconsumed_tail or not inflater.eof:
        raise InvalidData(f"Is cut, or has more than {MAX_INFLATED} bytes after decompression.")
    return found


def _dumped(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError as error:  # integers beyond 64 bits, nesting, surrogates
        raise InvalidData(f"Cannot be JSON: {error}") from None
