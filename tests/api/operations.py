"""List every operation of the API, from the OpenAPI description and from the URL resolver."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from django.urls import URLResolver, get_resolver, resolve
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from config.ops.fixed_page import FixedPage

METHODS = ("get", "post", "put", "patch", "delete")
ROOT = "api/v1/"


@dataclass(frozen=True)
class Operation:
    """Describe one method of one path; ``described`` is its OpenAPI operation."""

    method: str
    path: str
    described: dict[str, Any] = field(compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.path}"

    @property
    def needs_key(self) -> bool:
        return any(self.described.get("security", ()))

    @property
    def has_path_parameters(self) -> bool:
        return "{" in self.path

    @property
    def query_parameters(self) -> set[str]:
        """Return the names of the query parameters."""
        return {it["name"] for it in self.described.get("parameters", ()) if it["in"] == "query"}

    @property
    def flags(self) -> set[str]:
        """Return the names of the boolean query parameters."""
        return {
            it["name"]
            for it in self.described.get("parameters", ())
            if it["in"] == "query" and it["schema"].get("type") == "boolean"
        }

    def call(self, client: APIClient, named: dict[str, str], **headers: str) -> Any:
        """Return the response, sending an empty object where there is a request body."""
        body = {} if "requestBody" in self.described else None
        path = self.path.format_map(named)
        return getattr(client, self.method)(path, body, format="json", headers=headers)


@cache
def description() -> dict[str, Any]:
    """Return the OpenAPI document as it is served."""
    return dict(SchemaGenerator().get_schema(request=None, public=True))


def operations() -> list[Operation]:
    """Return the operations of the description."""
    return [
        Operation(method, f"{path}/", item[method])  # the last slash is optional; our own requests have it
        for path, item in description()["paths"].items()
        for method in METHODS
        if method in item
    ]


def described() -> set[tuple[str, str]]:
    """Return route and method of each described operation."""
    names = {name: "x" for it in operations() for name in _names(it.path)}
    return {(resolve(it.path.format_map(names)).route, it.method) for it in operations()}


def routed() -> set[tuple[str, str]]:
    """Return route and method of each operation of the resolver."""
    return {(route, method) for route, view in _leaves(get_resolver(), "") for method in _methods(view)}


def _names(path: str) -> Iterator[str]:
    return (step[1:-1] for step in path.split("/") if step.startswith("{"))


def _leaves(node: Any, above: str) -> Iterator[tuple[str, Any]]:
    """Yield every route of the API with its view."""
    for inner in node.url_patterns:
        route = above + str(inner.pattern).removeprefix("^" if above else "")
        if isinstance(inner, URLResolver):
            yield from _leaves(inner, route)
        elif route.startswith(ROOT):
            yield route, inner.callback


def _methods(view: Any) -> set[str]:
    """Return the methods that this view supports; none of a document that is the same for everybody."""
    if isinstance(view, FixedPage):
        return set()
    known = getattr(view, "cls", None) or view.view_class
    supported = getattr(view, "actions", None) or dir(known)
    return {method for method in METHODS if method in supported and method in known.http_method_names}
