"""Refuse what an operation has no use for: unknown query parameters, and members of a body that it does not read.

A list, and a view that calls ``params()``, checks names and values of its parameters together (``query_params``). All
other operations have none, so that any but those that every request accepts is an error.
"""

from itertools import islice
from typing import Any, ClassVar

from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView

from webhooks.kit.audit.operation import current_operation, name_caller
from webhooks.kit.rest.fields.json_values import MAX_ERRORS, json_type
from webhooks.kit.rest.query_params import QueryParams

NO_BODY = "This request has no body; leave it out."


class StrictView(APIView):
    """A view that refuses unknown parameters, and bodies that it does not read."""

    query_params: ClassVar[type[QueryParams]] = QueryParams
    """The query parameters of a list, or of a GET request that is no list."""
    is_audited: ClassVar[bool] = True
    """Whether its POST requests are entries of the audit: not those of previews, nor publishing."""
    reads_body: ClassVar[bool] = True
    """Whether the view's POST requests have a body. Without one, and for DELETE, only an empty object is accepted."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Check the request once its key is known to be allowed the operation. Raises ValidationError."""
        super().initial(request, *args, **kwargs)
        self.name_actor(request)
        if request.method == "OPTIONS":
            return
        if not self.reads_parameters(request):
            QueryParams.read(request)
        if request.method == "DELETE" or (request.method == "POST" and not self.reads_body):
            check_no_body(request)

    def name_actor(self, request: Request) -> None:
        """Tell the audit which API key the operation is done with."""
        operation, key = current_operation(), request.auth
        if operation is None or key is None:
            return
        name_caller(operation, key)
        operation.is_audited = self.is_audited

    def reads_parameters(self, request: Request) -> bool:
        """Return whether this operation reads the view's own parameters, and checks their names then."""
        action = getattr(self, "action", None)
        is_list = action == "list" if hasattr(self, "action") else hasattr(self, "list")
        return request.method in {"GET", "HEAD"} and (is_list or bool(self.query_params().fields and action is None))


def check_no_body(request: Request) -> None:
    """Refuse a body with members, naming each. Raises ValidationError."""
    body = request.data
    if not isinstance(body, dict):
        raise ValidationError({"non_field_errors": [f"{NO_BODY} Got {json_type(body)}."]})
    if body:
        unknown = [ErrorDetail(f"Unknown field. {NO_BODY}", "unknown")]
        raise ValidationError({str(name): unknown for name in islice(body, MAX_ERRORS)})
