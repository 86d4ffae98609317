"""Match events with EventBridge patterns: objects shaped like the event, with lists of accepted values.

    pattern = Pattern({"type": [{"prefix": "order."}], "data": {"total": [{"numeric": [">", 100]}]}})
    pattern.matches(event)

The language is that of Amazon EventBridge (user guide, "Event patterns"); where the guide is unclear, the reference
implementation event-ruler decides. docs/reference/patterns.md describes every operator.

    pattern.py        Pattern: compile once, match often
    branches.py       objects: fields, $or, limits
    fields.py         the list of one field, and the table of operators
    operators/        the operators
    matching.py       match one event with many branches at once
    masks.py          sets of branches
    dotted_names.py   read events whose names are joined by dots
    explanation.py    explain a mismatch
    index.py          match one event with many patterns, with value_tree.py and pattern_group.py
    outline.py        what the index needs to know of a pattern
"""

from webhooks.wire.patterns.arguments import InvalidPattern
from webhooks.wire.patterns.branches import PatternBranch
from webhooks.wire.patterns.explanation import PatternMismatch
from webhooks.wire.patterns.index import PatternIndex
from webhooks.wire.patterns.outline import PatternOutline
from webhooks.wire.patterns.pattern import Pattern
from webhooks.wire.patterns.pattern_group import CompiledGroup, GroupCompiler, IndexablePattern, PatternGroup
from webhooks.wire.step_budget import BudgetExceeded, StepBudget

__all__ = [
    "BudgetExceeded",
    "CompiledGroup",
    "GroupCompiler",
    "IndexablePattern",
    "InvalidPattern",
    "Pattern",
    "PatternBranch",
    "PatternGroup",
    "PatternIndex",
    "PatternMismatch",
    "PatternOutline",
    "StepBudget",
]
