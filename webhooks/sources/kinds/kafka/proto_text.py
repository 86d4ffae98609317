"""Parse .proto files (proto2, proto3, editions) to descriptors: messages, enums and imports, which decoding needs.

Options, services, extensions, comments and reserved names are read over. Names of types are resolved by the pool that
the descriptor is added to. https://protobuf.dev/reference/protobuf/proto3-spec/
"""

import re
from collections.abc import Callable

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

MAX_DEPTH = 32  # messages inside one another

_TOKEN = re.compile(
    r"""\s+|//[^\n]*|/\*.*?\*/|(?P<token>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\.?[A-Za-z_][\w.]*|[-+]?[\d.][\w.+]*|[^\s])""",
    re.DOTALL,
)
_SCALARS = {
    name.removeprefix("TYPE_").lower(): number
    for name, number in FieldDescriptorProto.Type.items()
    if name not in ("TYPE_MESSAGE", "TYPE_ENUM", "TYPE_GROUP")
}
_LABELS = {
    "optional": FieldDescriptorProto.LABEL_OPTIONAL,
    "required": FieldDescriptorProto.LABEL_REQUIRED,
    "repeated": FieldDescriptorProto.LABEL_REPEATED,
}
_MAP_KEYS = {name for name in _SCALARS if name not in ("double", "float", "bytes")}


class InvalidProto(ValueError):
    """The text is not a .proto file."""


def parse_proto(text: str, name: str) -> FileDescriptorProto:
    """Return the descriptor of a file, which gets this name. Raises InvalidProto."""
    return _Parser(text).file(name)


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = [found["token"] for found in _TOKEN.finditer(text) if found["token"]]
        self._at = 0
        self._is_proto3 = False

    def file(self, name: str) -> FileDescriptorProto:
        file = FileDescriptorProto(name=name)
        while self._at < len(self._tokens):
            self._statement_of_file(file, self._next())
        return file

    def _statement_of_file(self, file: FileDescriptorProto, word: str) -> None:
        if word in ("syntax", "edition"):
            self._expect("=")
            value = _unquoted(self._next())
            file.syntax = value if word == "syntax" else "proto3"  # alike for decoding: fields are found by number
            self._is_proto3 = file.syntax == "proto3"
            self._expect(";")
        elif word == "package":
            file.package = self._name()
            self._expect(";")
        elif word == "import":
            path = self._next()
            file.dependency.append(_unquoted(self._next() if path in ("public", "weak") else path))
            self._expect(";")
        elif word == "message":
            self._message(file.message_type.add(), 1)
        elif word == "enum":
            self._enum(file.enum_type.add())
        elif word != ";":
            self._skip_statement()

    def _message(self, message: DescriptorProto, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise InvalidProto(f"Has more than {MAX_DEPTH} messages inside one another.")
        message.name = self._name()
        self._expect("{")
        self._body(message, depth)

    def _body(self, message: DescriptorProto, depth: int) -> None:
        others: dict[str, Callable[[], None]] = {
            "message": lambda: self._message(message.nested_type.add(), depth + 1),
            "enum": lambda: self._enum(message.enum_type.add()),
            "oneof": lambda: self._oneof(message, depth),
            "map": lambda: self._map(message),
        }
        while (word := self._next()) != "}":
            is_field = self._peek() not in ("{", "<") and self._peek(1) == "="  # a type may be called message
            if word in others and not is_field:
                others[word]()
            elif word in ("option", "extensions", "reserved", "extend") and not is_field:
                self._skip_statement()
            elif word != ";":
                self._field(message, word, depth)
        self._add_presence(message)

    def _field(self, message: DescriptorProto, word: str, depth: int, oneof: int | None = None) -> None:
        field = FieldDescriptorProto(label=FieldDescriptorProto.LABEL_OPTIONAL)
        if word in _LABELS:
            field.label = _LABELS[word]
            field.proto3_optional = word == "optional" and self._is_proto3
            word = self._next()
        if word == "group":
            self._group(message, field, depth)
        else:
            if word in _SCALARS:
                field.type = _SCALARS[word]
            else:
                field.type_name = word
            field.name = self._name()
            self._number(field)
            self._end_of_field(field)
        if oneof is not None:
            field.oneof_index = oneof
        message.field.append(field)

    def _group(self, message: DescriptorProto, field: FieldDescriptorProto, depth: int) -> None:
        if depth >= MAX_DEPTH:
            raise InvalidProto(f"Has more than {MAX_DEPTH} messages inside one another.")
        nested = message.nested_type.add(name=self._name())
        field.name, field.type_name, field.type = nested.name.lower(), nested.name, FieldDescriptorProto.TYPE_GROUP
        self._number(field)
        if self._peek() == "[":
            self._skip_brackets()
        self._expect("{")
        self._body(nested, depth + 1)

    def _oneof(self, message: DescriptorProto, depth: int) -> None:
        message.oneof_decl.add(name=self._name())
        index = len(message.oneof_decl) - 1
        self._expect("{")
        while (word := self._next()) != "}":
            if word == "option" and self._peek(1) != "=":
                self._skip_statement()
            elif word != ";":
                self._field(message, word, depth, index)

    def _map(self, message: DescriptorProto) -> None:
        self._expect("<")
        key = self._next()
        if key not in _MAP_KEYS:
            raise InvalidProto(f"A map has keys of the type {key}.")
        self._expect(",")
        value = self._next()
        self._expect(">")
        field = message.field.add(name=self._name(), label=FieldDescriptorProto.LABEL_REPEATED)
        self._number(field)
        self._end_of_field(field)
        entry = message.nested_type.add(name="".join(it.capitalize() for it in field.name.split("_")) + "Entry")
        entry.options.map_entry = True
        field.type, field.type_name = FieldDescriptorProto.TYPE_MESSAGE, entry.name
        for number, (name, kind) in enumerate((("key", key), ("value", value)), start=1):
            part = entry.field.add(name=name, number=number, label=FieldDescriptorProto.LABEL_OPTIONAL)
            if kind in _SCALARS:
                part.type = _SCALARS[kind]
            else:
                part.type_name = kind

    def _enum(self, enum: EnumDescriptorProto) -> None:
        enum.name = self._name()
        self._expect("{")
        while (word := self._next()) != "}":
            if word in ("option", "reserved") and self._peek() != "=":
                if word == "option" and self._peek() == "allow_alias":
                    enum.options.allow_alias = self._peek(2) == "true"
                self._skip_statement()
            elif word != ";":
                value = enum.value.add(name=word)
                self._expect("=")
                value.number = self._integer()
                if self._peek() == "[":
                    self._skip_brackets()
                self._expect(";")

    @staticmethod
    def _add_presence(message: DescriptorProto) -> None:
        """Add the oneof of its own that each ``optional`` field of proto3 has, behind all others."""
        for field in message.field:
            if field.proto3_optional:
                field.oneof_index = len(message.oneof_decl)
                message.oneof_decl.add(name=f"_{field.name}")

    def _number(self, field: FieldDescriptorProto) -> None:
        self._expect("=")
        number = self._integer()
        if not 0 < number < 2**29:
            raise InvalidProto(f"The field {field.name} has the number {number}.")
        field.number = number

    def _end_of_field(self, field: FieldDescriptorProto) -> None:
        """Read the options of a field; only json_name is kept."""
        if self._peek() == "[":
            start = self._at
            self._skip_brackets()
            options = self._tokens[start : self._at]
            if "json_name" in options[:-2]:
                field.json_name = _unquoted(options[options.index("json_name") + 2])
        self._expect(";")

    def _skip_statement(self) -> None:
        """Read to the end of a statement: a semicolon, or a block in braces."""
        depth = 0
        while True:
            word = self._next()
            depth += (word in "{[(") - (word in "}])")
            if depth <= 0 and word in (";", "}"):
                if word == "}" and self._peek() == ";":
                    self._at += 1
                return

    def _skip_brackets(self) -> None:
        depth = 0
        while True:
            word = self._next()
            depth += (word in "{[(") - (word in "}])")
            if depth == 0:
                return

    def _peek(self, ahead: int = 0) -> str:
        place = self._at + ahead
        return self._tokens[place] if place < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        if not token:
            raise InvalidProto("Ends in the middle of a statement.")
        self._at += 1
        return token

    def _expect(self, token: str) -> None:
        found = self._next()
        if found != token:
            raise InvalidProto(f"Has {found[:40]!r} instead of {token!r}.")

    def _name(self) -> str:
        name = self._next()
        if not re.fullmatch(r"[A-Za-z_][\w.]*", name):
            raise InvalidProto(f"Has {name[:40]!r} instead of a name.")
        return name

    def _integer(self) -> int:
        text = self._next()
        if text == "-":
            text += self._next()
        try:
            value = int(text, 0) if not re.fullmatch(r"[-+]?0[0-7]+", text) else int(text, 8)
        except ValueError:
            raise InvalidProto(f"Has {text[:40]!r} instead of a number.") from None
        if not -(2**31) <= value < 2**31:
            raise InvalidProto(f"The number {text[:40]} is too large.")
        return value


def _unquoted(token: str) -> str:
    return token[1:-1] if token[:1] in ("'", '"') else token
