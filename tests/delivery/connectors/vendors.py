"""Run a server that accepts for each vendor only what its documentation allows, at a path of the vendor's name."""

import re
from typing import Any

import jsonschema_rs
import orjson

from tests.delivery.connectors.shapes import SHAPES, Shape
from tests.receiver import Arrival, Receiver, Respond, status

TOKEN = b'{"access_token":"token-1","token_type":"Bearer","expires_in":3600}'


class Vendors(Receiver):
    """Respond as the vendors do; ``problems`` has why a request was refused, by vendor."""

    def __init__(self) -> None:
        super().__init__()
        self.problems: dict[str, list[str]] = {}
        self.accepted: dict[str, list[Any]] = {}

    def take(self, arrival: Arrival) -> Respond:
        super().take(arrival)
        _, name, path = arrival.path.split("/", 2)
        if path == "services/oauth2/token":
            return status(200, TOKEN)
        shape = SHAPES[name]
        problem = problem_of(shape, arrival, f"/{path}")
        if problem:
            self.problems.setdefault(name, []).append(problem)
            return status(*shape.refusal)
        self.accepted.setdefault(name, []).append(orjson.loads(arrival.body))
        return status(shape.status, shape.response)


def problem_of(shape: Shape, arrival: Arrival, path: str) -> str:
    """Return why the vendor would refuse a request; empty: it would not."""
    if not re.fullmatch(shape.path, path):
        return f"path {path}"
    for name, pattern in shape.headers.items():
        if not re.fullmatch(pattern, arrival.headers.get(name, "")):
            return f"header {name}: {arrival.headers.get(name)}"
    if len(arrival.body) > shape.max_bytes:
        return f"{len(arrival.body)} bytes"
    errors = jsonschema_rs.Draft202012Validator(shape.schema).iter_errors(orjson.loads(arrival.body))
    return "; ".join(f"{list(it.instance_path)}: {it.message[:200]}" for it in errors)
