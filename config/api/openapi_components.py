"""Finish the components of the OpenAPI document, so that generated clients have one plainly named type for each."""

from typing import Any

OF_FIELD = ("description", "default", "deprecated", "readOnly", "writeOnly")  # keywords of a field, not of its type
NULL = {"type": "null"}
BLANK = {"$ref": "#/components/schemas/BlankEnum"}


def finish_components(result: dict[str, Any]) -> None:
    """Join blank choices to their enums, name types that fields share, and describe unions."""
    schemas = result["components"]["schemas"]
    _join_blank_choices(schemas, result)
    schemas.pop("BlankEnum", None)
    for name, schema in [*schemas.items()]:
        schemas[name] = _name_types(schemas, schema)
    result["paths"] = _name_types(schemas, result["paths"])
    for schema in [*schemas.values()]:
        if "description" not in schema and "oneOf" in schema:
            names = " or ".join(f"`{_component(it)}`" for it in schema["oneOf"])
            schema["description"] = f"Either {names}."


def _join_blank_choices(schemas: dict[str, Any], node: Any) -> None:
    """Make the empty choice a value of the enum beside it: generated clients then have one type for the field."""
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _join_blank_choices(schemas, inner)
    if isinstance(node, dict) and BLANK in node.get("oneOf", ()):
        enum, *null = [it for it in node.pop("oneOf") if it != BLANK]
        node.update({"oneOf": [enum, *null]} if null else {"allOf": [enum]})
        values = schemas[_component(enum)]["enum"]
        values.extend([""] if "" not in values else [])
    if isinstance(node, dict) and "* ``" in str(node.get("description", "")):
        node["description"] = node["description"].replace("* `` -", "* empty -")


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
    elif is_nullable:
        node["type"] = next(it for it in node["type"] if it != "null")
    schemas[name] = {**node, "description": description}
    if is_nullable:
        return {"oneOf": [reference, NULL], **of_field}
    return {"allOf": [reference], **of_field} if of_field else reference


def _component(reference: dict[str, str]) -> str:
    return reference["$ref"].rpartition("/")[2]
