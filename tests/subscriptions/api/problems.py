"""Read problem responses of the API."""

from typing import Any


def invalid_fields(response: Any, status: int = 400) -> list[str]:
    """Return the fields that a problem response (RFC 9457) names."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    return [error["field"] for error in response.json()["errors"]]
