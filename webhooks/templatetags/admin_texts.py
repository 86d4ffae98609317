"""Write titles and help texts in the admin's templates."""

from functools import cache
from typing import Any

from django import template
from django.apps import apps
from django.db.models import Model
from django.template.defaultfilters import capfirst

from webhooks.kit.admin.display import code_marks

register = template.Library()
register.filter(code_marks)


@register.filter
def headline(title: Any) -> str:
    """Return the title of a page with a capital, except where it begins with a name: `order.paid`, `src_01...`, a URL.

    A row is named by its text, which begins with its kind ("queue of ...") or is a name.
    """
    text = str(title)
    begins_with_name = isinstance(title, Model) and text.partition(" ")[0] not in _kinds()
    return text if begins_with_name or "://" in text else capfirst(text)


@cache
def _kinds() -> frozenset[str]:
    """Return the words that the kinds of rows are called by."""
    names = [name for it in apps.get_models() for name in (str(it._meta.verbose_name), it._meta.model_name or "")]
    return frozenset(word for name in names for word in name.split())
