"""Match events with EventBridge patterns: an event whose values are lists of accepted values.

    pattern = Pattern({"type": [{"prefix": "order."}], "data": {"total": [{"numeric": [">", 100]}]}})
    pattern.matches(event)

The language is that of Amazon EventBridge (user guide, "Event patterns"), decided in doubt by its reference
implementation, event-ruler; docs/reference/patterns.md shows every operator and every decision.

    pattern.py        Pattern: read once, match often
    branches.py       the object: fields, $or, what a pattern may cost
    fields.py         the list of one field, and the table of operators
    strings.py anything_but.py numeric.py cidr.py    the operators
    matching.py       one event against one branch
    explanation.py    where an event fell short
    index.py          one event against many patterns
"""

from webhooks.wire.patterns.arguments import InvalidPattern
from webhooks.wire.patterns.branches import PatternBranch
from webhooks.wire.patterns.explanation import PatternMismatch
from webhooks.wire.patterns.index import IndexablePattern, PatternIndex
from webhooks.wire.patterns.pattern import Pattern

__all__ = ["IndexablePattern", "InvalidPattern", "Pattern", "PatternBranch", "PatternIndex", "PatternMismatch"]
