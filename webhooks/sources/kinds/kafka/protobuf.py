"""Decode Protocol Buffers to JSON values, by the .proto text of their schema.

JSON is as https://protobuf.dev/programming-guides/json/ says (64-bit integers are strings, bytes base64, timestamps
RFC 3339), with the names of fields as they are written, and fields that have their default value.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf import (
    any_pb2,
    descriptor_pool,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    json_format,
    message_factory,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)
from google.protobuf import message as message_module
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto

from webhooks.sources.kinds.kafka.proto_text import InvalidProto, parse_proto

_WELL_KNOWN = {
    module.DESCRIPTOR.name: module.DESCRIPTOR
    for module in (any_pb2, duration_pb2, empty_pb2, field_mask_pb2, struct_pb2, timestamp_pb2, wrappers_pb2)
}
_BUILT_IN = {  # of Confluent's serializers, which do not register it
    "confluent/type/decimal.proto": """syntax = "proto3"; package confluent.type;
        message Decimal { bytes value = 1; uint32 precision = 2; int32 scale = 3; }"""
}
_MAIN = "schema.proto"


class InvalidMessage(ValueError):
    """The bytes are not a message of the schema."""


class ProtobufSchema:
    """A .proto file that is ready to decode; ``imports``: the texts of the files it imports, by path.

    Raises InvalidProto.
    """

    def __init__(self, text: str, imports: Mapping[str, str] | None = None) -> None:
        self._pool = descriptor_pool.DescriptorPool()
        self._added: set[str] = set()
        self._imports = {**_BUILT_IN, **(imports or {})}
        self._file = parse_proto(text, _MAIN)
        try:
            self._add(self._file, ())
        except (TypeError, ValueError, KeyError) as error:
            raise InvalidProto(f"Cannot be built: {error}") from error
        self._classes: dict[str, Any] = {}

    def _add(self, file: FileDescriptorProto, within: tuple[str, ...]) -> None:
        """Add a file to the pool after those it imports; one that is not there is left out: it may be of no use."""
        if file.name in within or len(within) > 32:
            raise InvalidProto("Imports itself.")
        kept = []
        for path in file.dependency:
            if path in self._added or self._add_import(path, (*within, file.name)):
                kept.append(path)
        del file.dependency[:]
        file.dependency.extend(kept)
        self._pool.Add(file)
        self._added.add(file.name)

    def _add_import(self, path: str, within: tuple[str, ...]) -> bool:
        if path in self._imports:
            self._add(parse_proto(self._imports[path], path), within)
            return True
        if path in _WELL_KNOWN:
            file = FileDescriptorProto()
            _WELL_KNOWN[path].CopyToProto(file)
            self._add(file, within)
            return True
        return False

    def message_name(self, path: Sequence[int] | str) -> str:
        """Return the full name of a message, given by its indexes in the file or by its name. Raises InvalidMessage."""
        prefix = [self._file.package] if self._file.package else []
        if isinstance(path, str):
            return path if path.startswith(tuple(f"{it}." for it in prefix)) else ".".join([*prefix, path])
        siblings: Sequence[DescriptorProto] = self._file.message_type
        for index in path:
            if not 0 <= index < len(siblings):
                raise InvalidMessage("Names a message that the schema does not have.")
            prefix.append(siblings[index].name)
            siblings = siblings[index].nested_type
        return ".".join(prefix)

    def decode(self, data: bytes, path: Sequence[int] | str) -> Any:
        """Return a message as JSON has it. Raises InvalidMessage."""
        name = self.message_name(path)
        try:
            found = self._classes.get(name)
            if found is None:
                found = message_factory.GetMessageClass(self._pool.FindMessageTypeByName(name))
                self._classes[name] = found
            message = found.FromString(data)
            return json_format.MessageToDict(
                message,
                preserving_proto_field_name=True,
                always_print_fields_with_no_presence=True,
                descriptor_pool=self._pool,
            )
        except KeyError:
            raise InvalidMessage(f"The schema has no message {name}.") from None
        except (message_module.DecodeError, json_format.Error, TypeError, ValueError) as error:
            raise InvalidMessage(f"Is not a {name}: {error}") from error
        except RecursionError:
            raise InvalidMessage("Is nested too deeply.") from None


def read_indexes(data: bytes, start: int) -> tuple[list[int], int]:
    """Return the indexes of the message that Confluent's serializers write before it, and the place behind them.

    Raises InvalidMessage.
    """
    count, at = _zigzag(data, start)
    if count == 0:
        return [0], at
    if not 0 < count <= 32:
        raise InvalidMessage("Does not begin with the indexes of a message.")
    indexes = []
    for _ in range(count):
        index, at = _zigzag(data, at)
        indexes.append(index)
    return indexes, at


def _zigzag(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 35, 7):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return (value >> 1) ^ -(value & 1), at
    raise InvalidMessage("Does not begin with the indexes of a message.")
