"""Finish the components of the OpenAPI document, so that generated clients have one plainly named type for each."""

from typing import Any

OF_FIELD = ("description", "default", "deprecated", "readOnly", "writeOnly")  # keywords of a field, not of its type
NULL = {"type": "null"}
NULL_ENUM = {"$ref": "#/components/schemas/NullEnum"}


def finish_components(result: dict[str, Any]) -> None:
    """Name types that fields share, drop what no generator needs, and describe unions."""
    schemas = result["components"]["schemas"]
    schemas.pop("NullEnum", None)
    _drop_null_enum(result)
    _drop_read_only(schemas)
    for name, schema in [*schemas.items()]:
        schemas[name] = _name_types(schemas, schema)
    result["paths"] = _name_types(schemas, result["paths"])
    for schema in [*schemas.values()]:
        if "description" not in schema and "oneOf" in schema:
            names = " or ".join(f"`{_component(it)}`" for it in schema["oneOf"])
            schema["description"] = f"Either {names}."
    _drop_unused(result)


def _drop_unused(result: dict[str, Any]) -> None:
    """Drop the components that nothing refers to: fields that are only written have one for responses too."""
    schemas = result["components"]["schemas"]
    while unused := schemas.keys() - _components_in(result):
        for name in unused:
            del schemas[name]


def _components_in(node: Any) -> set[str]:
    if isinstance(node, dict):
        named = {_component(node)} if isinstance(node.get("$ref"), str) else set()
        mapped = {str(it).rpartition("/")[2] for it in node.get("mapping", {}).values()} if "mapping" in node else set()
        return named.union(mapped, *map(_components_in, node.values()))
    return set().union(*map(_components_in, node)) if isinstance(node, list) else set()


def _drop_null_enum(node: Any) -> None:
    """Write null as a type: an enumeration of null alone would be a type of its own in generated clients."""
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        if isinstance(inner, dict) and inner == NULL_ENUM:
            inner.clear()
            inner.update(NULL)
        _drop_null_enum(inner)


def _drop_read_only(node: Any) -> None:
    """Drop the mark of read-only fields: requests have components of their own, and generators make it optional."""
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        if isinstance(inner, dict) and inner.get("readOnly") is True:
            del inner["readOnly"]
        _drop_read_only(inner)


def _name_types(schemas: dict[str, Any], node: Any) -> Any:
    """Return the node with references in place of the types that name their component (`x-component`).

    Client generators make one type of a component, and one for each use of a type that is written in place.
    """
    if isinstance(node, list):
        return [_name_types(schemas, inner) for inner in node]
    if not isinstance(node, dict):
        return node
    node = {name: _name_types(schemas, inner) for name, inner in node.items()}
    if "x-component" not in node:
        return node
    name, description = node.pop("x-component")
    reference = {"$ref": f"#/components/schemas/{name}"}
    of_field = {key: node.pop(key) for key in OF_FIELD if key in node}
    is_nullable = "null" in node.get("type", ()) or NULL in node.get("oneOf", ())
    if "oneOf" in node:
        node["oneOf"] = [it for it in node["oneOf"] if it != NULL]
    if "null" in node.get("type", ()):
        node["type"] = next(it for it in node["type"] if it != "null")
    schemas[name] = {**node, "description": description}
    if is_nullable:
        return {"oneOf": [reference, NULL], **of_field}
    return {"allOf": [reference], **of_field} if of_field else reference


def _component(reference: dict[str, str]) -> str:
    return reference["$ref"].rpartition("/")[2]
