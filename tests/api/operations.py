"""Every operation of the API, as the description has it and as the resolver has it: nothing is listed by hand."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from django.urls import URLResolver, get_resolver, resolve
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

METHODS = ("get", "post", "put", "patch", "delete")
ROOT = "api/v1/"


@dataclass(frozen=True)
class Operation:
    """One method of one address; ``described`` is what OpenAPI says of it."""

    method: str
    path: str
    described: dict[str, Any] = field(compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.path}"

    @property
    def needs_a_key(self) -> bool:
        return any(self.described.get("security", ()))

    @property
    def leads_to_a_thing(self) -> bool:
        return "{" in self.path

    @property
    def asked(self) -> set[str]:
        """The names of what may stand in the query."""
        return {it["name"] for it in self.described.get("parameters", ()) if it["in"] == "query"}

    @property
    def flags(self) -> set[str]:
        """Those of them that are true or false."""
        return {
            it["name"]
            for it in self.described.get("parameters", ())
            if it["in"] == "query" and it["schema"].get("type") == "boolean"
        }

    def ask(self, client: APIClient, named: dict[str, str], **headers: str) -> Any:
        """The answer; with an empty object as the body, where there may be one."""
        body = {} if "requestBody" in self.described else None
        path = self.path.format_map(named)
        return getattr(client, self.method)(path, body, format="json", headers=headers)


@cache
def description() -> dict[str, Any]:
    """The OpenAPI document as it is served."""
    return dict(SchemaGenerator().get_schema(request=None, public=True))


def operations() -> list[Operation]:
    """As they are described."""
    return [
        Operation(method, path, item[method])
        for path, item in description()["paths"].items()
        for method in METHODS
        if method in item
    ]


def described() -> set[tuple[str, str]]:
    """The route and the method of each operation that is described."""
    names = {name: "x" for it in operations() for name in _names(it.path)}
    return {(resolve(it.path.format_map(names)).route, it.method) for it in operations()}


def routed() -> set[tuple[str, str]]:
    """The route and the method of each operation that there is."""
    return {(route, method) for route, view in _leaves(get_resolver(), "") for method in _methods(view)}


def _names(path: str) -> Iterator[str]:
    return (step[1:-1] for step in path.split("/") if step.startswith("{"))


def _leaves(node: Any, above: str) -> Iterator[tuple[str, Any]]:
    """Every address of the API, with its view."""
    for inner in node.url_patterns:
        route = above + str(inner.pattern).removeprefix("^" if above else "")
        if isinstance(inner, URLResolver):
            yield from _leaves(inner, route)
        elif route.startswith(ROOT):
            yield route, inner.callback


def _methods(view: Any) -> set[str]:
    """The methods that this view answers."""
    known = getattr(view, "cls", None) or view.view_class
    answered = getattr(view, "actions", None) or dir(known)
    return {method for method in METHODS if method in answered and method in known.http_method_names}
