"""Look at what alert rules watch of the receiver, one file for each condition. The provider evaluates them."""

from webhooks.conditions import (
    dead_receipts,
    rejections,
    source_expiring,
    source_failing,
    source_lag,
    source_silent,
    source_warning,
)

CONDITIONS = [
    source_silent.CONDITION,
    rejections.CONDITION,
    dead_receipts.CONDITION,
    source_failing.CONDITION,
    source_lag.CONDITION,
    source_warning.CONDITION,
    source_expiring.CONDITION,
]
