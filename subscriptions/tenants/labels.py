"""Check labels: names with values, by which tenants and endpoints are selected."""

import re
from collections.abc import Mapping
from typing import Any

from subscriptions.errors import Invalid

MAX_LABELS = 32  # of one endpoint or tenant
MAX_LABEL = 64  # characters of a name or a value
LABEL_FORM = f"1 to {MAX_LABEL} letters, digits, hyphens, underscores and full stops"

_LABEL = re.compile(rf"[A-Za-z0-9._-]{{1,{MAX_LABEL}}}")


def check_labels(labels: Any) -> None:
    """Raise Invalid unless this is an object of a few names with short values, as a filter can write them."""
    if not isinstance(labels, Mapping) or len(labels) > MAX_LABELS:
        raise Invalid("labels", f"Must be an object of at most {MAX_LABELS} names.")
    for name, value in labels.items():
        if not _LABEL.fullmatch(name):
            raise Invalid("labels", f"The name {name[:MAX_LABEL]!a} must be {LABEL_FORM}.")
        if not isinstance(value, str) or not _LABEL.fullmatch(value):
            raise Invalid("labels", f"The value of {name} must be {LABEL_FORM}.")


def parse_labels(text: str) -> dict[str, str]:
    """Return the labels of a filter such as ``env:prod,region:eu``. Raises Invalid."""
    labels: dict[str, str] = {}
    for each in text.split(","):
        name, colon, value = each.strip().partition(":")
        if not colon or name in labels:
            raise Invalid("labels", "Must be names with values, each name once: env:prod,region:eu.")
        labels[name] = value
    check_labels(labels)
    return labels
