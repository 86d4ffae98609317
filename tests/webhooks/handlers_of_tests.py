"""Define handlers that tests name by their dotted path."""

from webhooks.models import Receipt


def fail(receipt: Receipt) -> None:
    """Fail."""
    raise RuntimeError("boom")


def succeed(receipt: Receipt) -> None:
    """Do nothing."""
