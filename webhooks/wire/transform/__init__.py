"""Render a new body from an event: input paths select values, a template places them.

    transformer = Transformer({"id": "$.data.order.id"}, '{"order": <id>, "text": "order <id> was paid"}')
    body = transformer.render(event)

The language is that of the EventBridge input transformer (user guide, "Input transformation"), with one
difference: a value cannot change what the template says. It is escaped where it stands in quotes, placeholders
in it are not expanded, and what would not be JSON is an error instead of a silent loss. See
docs/reference/patterns.md.

    transformer.py    Transformer: read once, render often
    template.py       where the placeholders stand, and how a value is written in each place
    paths.py          how a value is found
    errors.py         InvalidTransformer, Unrenderable
"""

from webhooks.wire.transform.errors import InvalidTransformer, Unrenderable
from webhooks.wire.transform.transformer import Transformer

__all__ = ["InvalidTransformer", "Transformer", "Unrenderable"]
