"""Say in words what is deleted with a row, on the page that asks.

Django lists each row of a table that only links two others, such as ``Group-permission relationship: Group_permissions
object (7)``, and each row that has no text of its own. Here they are counted: ``Link to 2 users, which stay: ada,
bob``.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import NestedObjects
from django.db import models, router
from django.utils.html import format_html
from django.utils.text import capfirst

from webhooks.kit.admin.display import link

MAX_NAMED = 10  # of the rows at the other end of links; the others are counted


def in_words(rows: Any) -> tuple[list[Any], dict[str, int]]:
    """Return what is deleted with these rows of one table: nested lines, and the number of rows of each kind."""
    found = list(rows)
    if not found:
        return [], {}
    collector: Any = NestedObjects(using=router.db_for_write(type(found[0])), origin=rows)
    collector.collect(found)
    counts: dict[str, int] = {}
    for model, instances in collector.model_objs.items():
        kind = "links" if _is_link(model) else str(model._meta.verbose_name_plural)
        counts[kind] = counts.get(kind, 0) + len(instances)
    seen: set[models.Model] = set()
    return [line for row in collector.edges.get(None, ()) for line in _lines(row, collector.edges, seen)], counts


def _lines(
    row: models.Model, edges: Mapping[Any, Sequence[models.Model]], seen: set[models.Model]
) -> Iterator[str | list[Any]]:
    """Yield the line of a row, and the list of the lines below it if there are any."""
    if row in seen:
        return
    seen.add(row)
    below: list[Any] = []
    counted: dict[type[models.Model], list[models.Model]] = {}
    for child in edges.get(row, ()):
        if _is_link(type(child)) or type(child).__str__ is models.Model.__str__:
            counted.setdefault(type(child), []).append(child)
        else:
            below += _lines(child, edges, seen)
    below += [_links(row, children) if _is_link(kind) else _count(kind, children) for kind, children in counted.items()]
    text = link(row, str(row)) if admin.site.is_registered(type(row)) else str(row)
    yield format_html("{}: {}", capfirst(str(row._meta.verbose_name)), text)
    if below:
        yield below


def _is_link(model: type[models.Model]) -> bool:
    """Return whether Django made the table for a relation of many to many."""
    return bool(model._meta.auto_created)


def _links(row: models.Model, links: Sequence[models.Model]) -> str:
    """Return the line for the links of a row: to how many rows, and to which."""
    ends = [it for it in type(links[0])._meta.concrete_fields if it.is_relation]
    other = next(it for it in ends if getattr(links[0], it.attname) != row.pk or it.related_model is not type(row))
    named = sorted(links, key=lambda it: getattr(it, other.attname))[:MAX_NAMED]
    names = [str(getattr(it, other.name)) for it in named]
    more = f" and {len(links) - MAX_NAMED} more" if len(links) > MAX_NAMED else ""
    counted = _count(other.related_model, links)  # type: ignore[arg-type]
    return f"Link to {counted}, which {'stays' if len(links) == 1 else 'stay'}: {', '.join(names)}{more}"


def _count(model: type[models.Model], rows: Sequence[models.Model]) -> str:
    named = model._meta.verbose_name if len(rows) == 1 else model._meta.verbose_name_plural
    return f"{len(rows)} {named}"
