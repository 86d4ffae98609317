"""Render a new body from an event: input paths select values, a template places them.

    transformer = Transformer({"id": "$.data.order.id"}, '{"order": <id>, "text": "order <id> was paid"}')
    body = transformer.render(event)

The language is that of the EventBridge input transformer (user guide, "Input transformation"), with one difference: a
value cannot change the structure of the result. It is escaped inside quotes, placeholders in it are not expanded, and
a result that is not JSON is an error. See docs/reference/patterns.md.

    transformer.py    Transformer: compile once, render often
    texts.py          named texts that are cut to a length
    template.py       find the placeholders, and write a value in each place
    paths.py          find a value
    limits.py         what one event may cost
    errors.py         InvalidTransformer, Unrenderable
    body_transformer.py    what a transformer in any language has
"""

from webhooks.wire.transform.body_transformer import BodyTransformer
from webhooks.wire.transform.errors import InvalidTransformer, Unrenderable
from webhooks.wire.transform.transformer import Transformer

__all__ = ["BodyTransformer", "InvalidTransformer", "Transformer", "Unrenderable"]
