"""Log in operators of the receiver."""

from django.test import Client

from tests.staff import staff

SEES_ALL = ("view_source", "view_receipt", "view_rejection", "view_payload")


def operator(*permissions: str) -> Client:
    """Log in an operator with the name ops and these permissions."""
    return staff(*permissions, username="ops")
