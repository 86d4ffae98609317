"""Define API errors that REST framework lacks: query parameters, 409, 412, and 429 with the name of the limit."""

from rest_framework.exceptions import APIException, ValidationError


class Conflict(ValidationError):
    """409: the request is valid but conflicts with the current state. Names the field like a validation error."""

    status_code = 409
    default_code = "conflict"


class InvalidParameters(ValidationError):
    """400: names query parameters, so that no pointer leads into the body."""


class PreconditionFailed(APIException):
    """412 (RFC 9110, section 15.5.13): the resource is not in the state that ``If-Match`` names."""

    status_code = 412
    default_code = "stale"
    default_detail = "Changed since it was fetched; fetch it again."


class TooManyRequests(APIException):
    """429: too much in progress at once. The problem names the ``limit``."""

    status_code = 429
    default_code = "rate_limited"

    def __init__(self, limit: str, message: str, wait: float) -> None:
        super().__init__(message)
        self.members = {"limit": limit}
        self.wait = wait
