"""Functions that the tests name by their dotted path."""

from webhooks.models import Receipt


def fail(receipt: Receipt) -> None:
    raise RuntimeError("boom")


def succeed(receipt: Receipt) -> None:
    """Nothing to do."""
